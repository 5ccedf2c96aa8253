// Rows that lowering makes itself: packing and unpacking of registers (mov with vectors) and
// changes of width. Their names are no PTX.
#include "emulator/alu.hpp"

namespace mtmc::emulator {

void add_width_instructions(InstructionTable& t) {
  using A = uint16_t;
  using B = uint32_t;
  using C = uint64_t;
  t.add("pack.2.b16", entry<B, A, A>([](B a, B b) { return a | b << 16; }));
  t.add("pack.2.b32", entry<C, B, B>([](C a, C b) { return a | b << 32; }));
  t.add("pack.4.b16",
        entry<C, A, A, A, A>([](C a, C b, C c, C d) { return a | b << 16 | c << 32 | d << 48; }));
  t.add("unpack.0.b16.b32", entry<A, B>([](B x) { return static_cast<A>(x); }));
  t.add("unpack.1.b16.b32", entry<A, B>([](B x) { return static_cast<A>(x >> 16); }));
  t.add("unpack.0.b32.b64", entry<B, C>([](C x) { return static_cast<B>(x); }));
  t.add("unpack.1.b32.b64", entry<B, C>([](C x) { return static_cast<B>(x >> 32); }));
  t.add("unpack.0.b16.b64", entry<A, C>([](C x) { return static_cast<A>(x); }));
  t.add("unpack.1.b16.b64", entry<A, C>([](C x) { return static_cast<A>(x >> 16); }));
  t.add("unpack.2.b16.b64", entry<A, C>([](C x) { return static_cast<A>(x >> 32); }));
  t.add("unpack.3.b16.b64", entry<A, C>([](C x) { return static_cast<A>(x >> 48); }));
  t.add("narrow.b16.b32", entry<A, B>([](B x) { return static_cast<A>(x); }));
  t.add("narrow.b16.b64", entry<A, C>([](C x) { return static_cast<A>(x); }));
  t.add("narrow.b32.b64", entry<B, C>([](C x) { return static_cast<B>(x); }));
  t.add("extend.s8", entry<int16_t, A>([](A x) { return static_cast<int8_t>(x); }));
  t.add("extend.u8", entry<A, A>([](A x) { return static_cast<uint8_t>(x); }));
  using D = unsigned __int128;
  t.add("mov.b128", entry<D, D>([](D x) { return x; }));
  t.add("pack.2.b64", entry<D, C, C>([](D a, D b) { return a | b << 64; }));
  t.add("pack.4.b32",
        entry<D, B, B, B, B>([](D a, D b, D c, D d) { return a | b << 32 | c << 64 | d << 96; }));
  t.add("unpack.0.b64.b128", entry<C, D>([](D x) { return static_cast<C>(x); }));
  t.add("unpack.1.b64.b128", entry<C, D>([](D x) { return static_cast<C>(x >> 64); }));
  t.add("unpack.0.b32.b128", entry<B, D>([](D x) { return static_cast<B>(x); }));
  t.add("unpack.1.b32.b128", entry<B, D>([](D x) { return static_cast<B>(x >> 32); }));
  t.add("unpack.2.b32.b128", entry<B, D>([](D x) { return static_cast<B>(x >> 64); }));
  t.add("unpack.3.b32.b128", entry<B, D>([](D x) { return static_cast<B>(x >> 96); }));
  // Bytes are held in 16-bit registers.
  t.add("pack.2.b8", entry<A, A, A>([](A a, A b) { return (a & 255) | b << 8; }));
  t.add("pack.4.b8", entry<B, A, A, A, A>([](B a, B b, B c, B d) {
          return (a & 255) | (b & 255) << 8 | (c & 255) << 16 | d << 24;
        }));
  t.add("unpack.0.b8.b16", entry<A, A>([](A x) { return x & 255; }));
  t.add("unpack.1.b8.b16", entry<A, A>([](A x) { return x >> 8; }));
  t.add("unpack.0.b8.b32", entry<A, B>([](B x) { return x & 255; }));
  t.add("unpack.1.b8.b32", entry<A, B>([](B x) { return x >> 8 & 255; }));
  t.add("unpack.2.b8.b32", entry<A, B>([](B x) { return x >> 16 & 255; }));
  t.add("unpack.3.b8.b32", entry<A, B>([](B x) { return x >> 24; }));
}

}  // namespace mtmc::emulator
