// CRC32C (Castagnoli, as in RFC 3720 and java.util.zip.CRC32C) of blocks of GPU memory.
//
// scripts/gpu/make-ptx.sh makes src/main/resources/dev/inflight/worker/cuda/crc32c.ptx from it; it is clang's CUDA C,
// without CUDA's headers. BlockSummer launches it.
//
// A CRC is the remainder of a polynomial over GF(2), divided by P. Registers are reflected: bit 31 is x^0, and taking
// in a byte multiplies by x^8. The remainder is linear in the bytes and in the state it begins with. So every thread
// takes a piece of the block, the first begins with the state that CRC32C begins with and the others with 0, each
// remainder is multiplied by x^(8 * bytes after the piece) mod P, and their sum, which is XOR, is the block's.
//
// Sources: M. Kounavis and F. Berry, "A Systematic Approach to Building High Performance, Software-based, CRC
// Generators", ISCC 2005, for eight bytes per step; M. Adler, crc32_combine of zlib, for the product and for powers of
// x by the bits of the exponent.

#define GLOBAL __attribute__((global))
#define DEVICE static __attribute__((device)) inline
#define SHARED __attribute__((shared))
#define CONSTANT static __attribute__((constant))
#define THREAD __nvvm_read_ptx_sreg_tid_x()
#define THREAD_BLOCK __nvvm_read_ptx_sreg_ctaid_x()
#define THREAD_BLOCKS __nvvm_read_ptx_sreg_nctaid_x()

typedef unsigned char Byte;
typedef unsigned int Word;
typedef unsigned long long Address;

// Threads of a thread block, a power of two; BlockSummer.THREADS.
enum { THREADS = 512 };
// A thread's piece is a multiple of what it takes in one round of loads.
enum { ROUND_BYTES = 64 };
// Loads are of 16 bytes.
enum { LOAD_BYTES = 16 };

// P without x^32, reflected.
static const Word POLYNOMIAL = 0x82f63b78u;

// What is asked and answered, in host memory; BlockSummer has the same layout.
struct Block {
  Address address;
  Word length;
  Word crc;
};

typedef Word Load __attribute__((vector_size(LOAD_BYTES)));

// Entry k of byte b is the remainder of b followed by k bytes of 0.
struct Tables {
  Word after[8][256];
};

// Every thread of the block gets here before any goes on. The fences are for clang 14, which takes it that a built-in
// does not write to variables of this file, and would move loads of shared memory to before the barrier.
DEVICE void meet() {
  asm volatile("" ::: "memory");
  __syncthreads();
  asm volatile("" ::: "memory");
}

// Entry k is x^(8 * 2^k) mod P; each is the square of the one before.
CONSTANT const Word POWERS[32] = {
    0x00800000, 0x00008000, 0x82f63b78, 0x6ea2d55c, 0x18b8ea18, 0x510ac59a, 0xb82be955, 0xb8fdb1e7,
    0x88e56f72, 0x74c360a4, 0xe4172b16, 0x0d65762a, 0x35d73a62, 0x28461564, 0xbf455269, 0xe2ea32dc,
    0xfe7740e6, 0xf946610b, 0x3c204f8f, 0x538586e3, 0x59726915, 0x734d5309, 0xbc1ac763, 0x7d0722cc,
    0xd289cabe, 0xe94ca9bc, 0x05b74f3f, 0xa51e1f42, 0x40000000, 0x20000000, 0x08000000, 0x00800000,
};

DEVICE Word times_x(Word value) {
  return (value >> 1) ^ ((value & 1) != 0 ? POLYNOMIAL : 0);
}

// The product of two remainders, mod P.
DEVICE Word product(Word one, Word other) {
  Word sum = 0;
  for (int bit = 31; bit >= 0; bit--) {
    sum ^= ((one >> bit) & 1) != 0 ? other : 0;
    other = times_x(other);
  }
  return sum;
}

// The remainder after as many bytes of 0 more.
DEVICE Word followed_by(Word remainder, Word bytes) {
  for (int bit = 0; bytes != 0; bit++, bytes >>= 1) {
    if ((bytes & 1) != 0) {
      remainder = product(remainder, POWERS[bit]);
    }
  }
  return remainder;
}

// Each thread fills whole columns; the threads must meet before the tables are read.
DEVICE void fill(Tables& tables, Word thread) {
  for (Word byte = thread; byte < 256; byte += THREADS) {
    Word entry = byte;
    for (int k = 0; k < 8; k++) {
      for (int bit = 0; bit < 8; bit++) {
        entry = times_x(entry);
      }
      tables.after[k][byte] = entry;
    }
  }
}

DEVICE Word take_byte(const Tables& tables, Word state, Byte byte) {
  return (state >> 8) ^ tables.after[0][(state ^ byte) & 0xff];
}

DEVICE Word take_eight(const Tables& tables, Word state, Word low, Word high) {
  state ^= low;
  return tables.after[7][state & 0xff] ^ tables.after[6][(state >> 8) & 0xff] ^
         tables.after[5][(state >> 16) & 0xff] ^ tables.after[4][state >> 24] ^
         tables.after[3][high & 0xff] ^ tables.after[2][(high >> 8) & 0xff] ^
         tables.after[1][(high >> 16) & 0xff] ^ tables.after[0][high >> 24];
}

DEVICE Word take_load(const Tables& tables, Word state, Load load) {
  return take_eight(tables, take_eight(tables, state, load[0], load[1]), load[2], load[3]);
}

DEVICE Word take(const Tables& tables, Word state, Address at, Address end) {
  while (at < end && at % LOAD_BYTES != 0) {
    state = take_byte(tables, state, *(const Byte*)at++);
  }
  for (; end - at >= ROUND_BYTES; at += ROUND_BYTES) {
    // All loads of a round are on their way before the first is used.
    const Load* loads = (const Load*)at;
    Load first = loads[0], second = loads[1], third = loads[2], fourth = loads[3];
    state = take_load(tables, state, first);
    state = take_load(tables, state, second);
    state = take_load(tables, state, third);
    state = take_load(tables, state, fourth);
  }
  for (; end - at >= LOAD_BYTES; at += LOAD_BYTES) {
    state = take_load(tables, state, *(const Load*)at);
  }
  while (at < end) {
    state = take_byte(tables, state, *(const Byte*)at++);
  }
  return state;
}

// What a thread's piece, which may be empty, adds to the block's remainder.
DEVICE Word share_of(Word thread, const Tables& tables, Address address, Word length) {
  Address rounds = ((Address)length + THREADS * ROUND_BYTES - 1) / (THREADS * ROUND_BYTES);
  Address piece = rounds * ROUND_BYTES;
  Address begin = thread * piece < length ? thread * piece : length;
  Address end = begin + piece < length ? begin + piece : length;
  Word state = take(tables, thread == 0 ? 0xffffffffu : 0, address + begin, address + end);
  return followed_by(state, (Word)(length - end));
}

// Sets the crc of each block. Launched with THREADS threads in each of any number of thread blocks; each of these does
// one block after the other. `blocks` is host memory: one thread reads it, once, and volatile, past caches.
extern "C" GLOBAL __attribute__((launch_bounds(THREADS))) void crc32c_blocks(Block* blocks, Word count) {
  SHARED static Tables tables;
  SHARED static Word shares[THREADS];
  SHARED static Address address;
  SHARED static Word length;

  Word thread = THREAD;
  fill(tables, thread);
  for (Word i = THREAD_BLOCK; i < count; i += THREAD_BLOCKS) {
    volatile Block* block = blocks + i;
    if (thread == 0) {
      address = block->address;
      length = block->length;
    }
    meet();
    shares[thread] = share_of(thread, tables, address, length);
    for (Word half = THREADS / 2; half > 0; half /= 2) {
      meet();
      if (thread < half) {
        shares[thread] ^= shares[thread + half];
      }
    }
    if (thread == 0) {
      block->crc = ~shares[0];
    }
  }
}
