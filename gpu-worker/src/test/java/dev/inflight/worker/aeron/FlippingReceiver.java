package dev.inflight.worker.aeron;

import io.aeron.driver.DataPacketDispatcher;
import io.aeron.driver.MediaDriver;
import io.aeron.driver.ReceiveChannelEndpointSupplier;
import io.aeron.driver.media.ReceiveChannelEndpoint;
import io.aeron.driver.media.UdpChannel;
import io.aeron.logbuffer.FrameDescriptor;
import io.aeron.protocol.DataHeaderFlyweight;
import java.net.InetSocketAddress;
import java.nio.ByteOrder;
import java.util.Map;
import org.agrona.BitUtil;
import org.agrona.concurrent.UnsafeBuffer;
import org.agrona.concurrent.status.AtomicCounter;

/**
 * The network card of a host whose datagrams arrive with a flipped bit. Made by Aeron, by {@link #settings}. Which ones is
 * told by what is in them, so that what is sent again is damaged again.
 */
public final class FlippingReceiver extends ReceiveChannelEndpoint {
    private static final String SUPPLIER = "aeron.ReceiveChannelEndpoint.supplier";
    private static final String DIRECTORY = "inflight.test.flip.directory";
    private static final String BUCKETS = "inflight.test.flip.buckets";

    /** Any bucket or part. */
    public static final int ALL = -1;

    private final boolean flips;
    private final int bucket;

    /**
     * System properties under which one host gets damaged datagrams.
     *
     * @param directory what is in the name of its driver's directory, and in no other's
     * @param bucket number of the bucket or part whose beginning is damaged, or {@link #ALL}
     */
    public static Map<String, String> settings(String directory, int bucket) {
        return Map.of(SUPPLIER, Supplier.class.getName(), DIRECTORY, directory, BUCKETS, String.valueOf(bucket));
    }

    /** Named in a system property. */
    public static final class Supplier implements ReceiveChannelEndpointSupplier {
        @Override
        public ReceiveChannelEndpoint newInstance(
                UdpChannel channel,
                DataPacketDispatcher dispatcher,
                AtomicCounter status,
                MediaDriver.Context context) {
            return new FlippingReceiver(channel, dispatcher, status, context);
        }
    }

    private FlippingReceiver(
            UdpChannel channel, DataPacketDispatcher dispatcher, AtomicCounter status, MediaDriver.Context context) {
        super(channel, dispatcher, status, context);
        flips = context.aeronDirectoryName().contains(System.getProperty(DIRECTORY));
        bucket = Integer.getInteger(BUCKETS);
    }

    @Override
    public int onDataPacket(
            DataHeaderFlyweight header, UnsafeBuffer buffer, int length, InetSocketAddress from, int transportIndex) {
        int frame = 0;
        while (flips && frame + DataHeaderFlyweight.HEADER_LENGTH <= length) {
            int bytes = DataHeaderFlyweight.fragmentLength(buffer, frame);
            if (bytes <= 0) {
                break;
            }
            flip(buffer, frame + DataHeaderFlyweight.HEADER_LENGTH, frame + bytes);
            frame += BitUtil.align(bytes, FrameDescriptor.FRAME_ALIGNMENT);
        }
        return super.onDataPacket(header, buffer, length, from, transportIndex);
    }

    /** @param at where what we send begins in a frame */
    private void flip(UnsafeBuffer buffer, int at, int end) {
        int payload = at + Cast.HEADER_BYTES;
        if (payload < end
                && buffer.getLong(at + Cast.OFFSET_AT, ByteOrder.LITTLE_ENDIAN) == 0
                && (bucket == ALL || bucket == buffer.getInt(at, ByteOrder.LITTLE_ENDIAN))) {
            buffer.putByte(payload, (byte) (buffer.getByte(payload) ^ 4));
        }
    }
}
