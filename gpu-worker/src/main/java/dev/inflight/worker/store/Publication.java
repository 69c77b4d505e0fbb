package dev.inflight.worker.store;

import dev.inflight.protocol.checkpoint.BlockSums;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * Block sums that this host computes while a checkpoint is being published, for the other holders to wait on.
 * Thread-safe.
 */
final class Publication {
    private final Map<Integer, CompletableFuture<byte[]>> sums = new ConcurrentHashMap<>();
    private volatile @Nullable String failure;

    void computed(BlockSums shard) {
        future(shard.shard().index()).complete(shard.encode());
    }

    void failed(String reason) {
        failure = reason;
        sums.values().forEach(sum -> sum.completeExceptionally(new StoreException(reason)));
    }

    /** @throws StoreException if the shard's load failed or does not end within {@code patience} */
    byte[] await(int shard, Duration patience) throws InterruptedException {
        try {
            return future(shard).get(patience.toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException e) {
            throw new StoreException(
                    String.valueOf(e.getCause() == null ? e : e.getCause().getMessage()), e);
        } catch (TimeoutException e) {
            throw new StoreException("shard " + shard + " was not read within " + patience.toSeconds() + " s", e);
        }
    }

    private CompletableFuture<byte[]> future(int shard) {
        var future = sums.computeIfAbsent(shard, s -> new CompletableFuture<>());
        var reason = failure;
        if (reason != null) {
            future.completeExceptionally(new StoreException(reason));
        }
        return future;
    }
}
