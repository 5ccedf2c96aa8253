// Every scalar intrinsic: the math library in single and double, rounding modes, conversions, bits.
#include <cstdint>

extern "C" __global__ void math_float(const float* x, float* y) {
  const float a = x[threadIdx.x], b = x[threadIdx.x + 32], c = x[threadIdx.x + 64];
  float s = 0;
  s += sinf(a) + cosf(a) + tanf(a) + asinf(a) + acosf(a) + atanf(a) + atan2f(a, b) + sinhf(a) + coshf(a) + tanhf(a) + asinhf(a) + acoshf(a) + atanhf(a);
  s += expf(a) + exp2f(a) + exp10f(a) + expm1f(a) + logf(a) + log2f(a) + log10f(a) + log1pf(a) + powf(a, b) + sqrtf(a) + rsqrtf(a) + cbrtf(a) + hypotf(a, b);
  s += erff(a) + erfcf(a) + erfinvf(a) + lgammaf(a) + tgammaf(a) + normcdff(a) + sinpif(a) + cospif(a) + fmodf(a, b) + remainderf(a, b);
  s += floorf(a) + ceilf(a) + truncf(a) + roundf(a) + rintf(a) + nearbyintf(a) + fdimf(a, b) + fmaf(a, b, c) + copysignf(a, b) + nextafterf(a, b) + ldexpf(a, 3) + logbf(a) + scalbnf(b, 5);
  int e;
  s += frexpf(a, &e) + e + modff(a, &s) + isnan(a) + isinf(b) + isfinite(c) + signbit(a) + fminf(a, b) + fmaxf(b, c) + ilogbf(a) + j0f(a);
  float sn, cs;
  sincosf(a, &sn, &cs);
  y[threadIdx.x] = s + sn * cs;
}
extern "C" __global__ void math_fast(const float* x, float* y) {
  const float a = x[threadIdx.x], b = x[threadIdx.x + 32], c = x[threadIdx.x + 64];
  y[threadIdx.x] = __sinf(a) + __cosf(a) + __tanf(a) + __expf(a) + __exp10f(a) + __logf(a) + __log2f(a) + __log10f(a) + __powf(a, b) + __fdividef(a, b) + __saturatef(a) +
                   __frcp_rn(a) + __frcp_rz(a) + __frcp_ru(a) + __frcp_rd(a) + __fsqrt_rn(a) + __fsqrt_rz(a) + __fsqrt_ru(a) + __fsqrt_rd(a) + __frsqrt_rn(a) +
                   __fadd_rn(a, b) + __fadd_rz(a, b) + __fadd_ru(a, b) + __fadd_rd(a, b) + __fsub_rn(a, b) + __fsub_rz(a, b) + __fmul_rn(a, b) + __fmul_rz(a, b) + __fmul_ru(a, b) + __fmul_rd(a, b) +
                   __fmaf_rn(a, b, c) + __fmaf_rz(a, b, c) + __fmaf_ru(a, b, c) + __fmaf_rd(a, b, c) + __fdiv_rn(a, b) + __fdiv_rz(a, b) + __fdiv_ru(a, b) + __fdiv_rd(a, b) + __fmaf_ieee_rn(a, b, c);
}
extern "C" __global__ void math_double(const double* x, double* y) {
  const double a = x[threadIdx.x], b = x[threadIdx.x + 32], c = x[threadIdx.x + 64];
  y[threadIdx.x] = sin(a) + cos(b) + tan(c) + exp(a) + exp2(a) + log(a) + log2(b) + log10(c) + pow(a, b) + sqrt(a) + rsqrt(b) + cbrt(c) + erf(a) + erfc(b) + tanh(c) + atan2(a, b) + fmod(a, b) + asin(a) + sinh(b) +
                   floor(a) + ceil(b) + trunc(c) + rint(a) + round(b) + fma(a, b, c) + fmin(a, b) + fmax(b, c) + fabs(a) + copysign(a, b) + a / b + tgamma(a) + hypot(a, b) +
                   __dadd_rz(a, b) + __dadd_ru(a, b) + __dadd_rd(a, b) + __dmul_rz(a, b) + __dmul_ru(a, b) + __dmul_rd(a, b) + __fma_rz(a, b, c) + __fma_ru(a, b, c) + __fma_rd(a, b, c) +
                   __ddiv_rn(a, b) + __ddiv_rz(a, b) + __drcp_rn(a) + __drcp_ru(b) + __dsqrt_rz(a) + __dsqrt_ru(b) + __dsub_rn(a, b);
}
extern "C" __global__ void convert(const float* f, const double* d, const int* i, const long long* l, float* of, double* od, int* oi, long long* ol) {
  const float a = f[threadIdx.x];
  const double b = d[threadIdx.x];
  oi[0] = __float2int_rn(a) + __float2int_rz(a) + __float2int_ru(a) + __float2int_rd(a) + __float2uint_rn(a) + __float2uint_rz(a) + __float_as_int(a) + __double2int_rn(b) + __double2int_rz(b) + __double2int_ru(b) + __double2uint_rd(b) + __double2hiint(b) + __double2loint(b);
  ol[0] = __float2ll_rn(a) + __float2ll_rz(a) + __float2ull_ru(a) + __double2ll_rd(b) + __double2ll_rz(b) + __double2ull_rn(b) + __double_as_longlong(b) + (long long)i[0] + (unsigned)i[1];
  of[0] = __int2float_rn(i[0]) + __int2float_rz(i[0]) + __int2float_ru(i[0]) + __int2float_rd(i[0]) + __uint2float_rn(i[1]) + __uint2float_rz(i[1]) + __ll2float_rn(l[0]) + __ll2float_rz(l[0]) + __ull2float_rn(l[1]) + __double2float_rn(b) + __double2float_rz(b) + __double2float_ru(b) + __double2float_rd(b) + __int_as_float(i[2]);
  od[0] = __int2double_rn(i[0]) + __uint2double_rn(i[1]) + __ll2double_rn(l[0]) + __ll2double_rz(l[0]) + __ull2double_rn(l[1]) + a + __hiloint2double(i[0], i[1]);
  ((signed char*)oi)[40] = i[3], ((short*)oi)[21] = i[4], ((unsigned char*)oi)[50] = (unsigned char)a, ((unsigned short*)oi)[30] = (unsigned short)b, ((short*)oi)[31] = (short)a;
  of[1] = ((const signed char*)i)[threadIdx.x] + ((const unsigned short*)i)[threadIdx.x] + ((const short*)i)[threadIdx.x + 1] + ((const bool*)i)[3];
}
extern "C" __global__ void integer(const int* x, const unsigned* u, const long long* l, const unsigned long long* ul, int* y, long long* z) {
  const int a = x[threadIdx.x], b = x[threadIdx.x + 32], c = x[threadIdx.x + 64];
  const unsigned p = u[0], q = u[1], r = u[2];
  const long long m = l[0], n = l[1];
  const unsigned long long v = ul[0], w = ul[1];
  y[0] = a + b * c - (a / b) + (a % b) + (a << (b & 31)) + (a >> b) + (p >> q) + p / q + p % q + (a & b) + (a | b) + (a ^ c) + ~a + -b + abs(a) + min(a, b) + max(a, c) + umin(p, q) + umax(p, r);
  y[1] = __popc(a) + __popcll(v) + __clz(a) + __clzll(m) + __ffs(a) + __ffsll(m) + __brev(p) + (int)__brevll(v) + __mulhi(a, b) + __umulhi(p, q) + (int)__mul64hi(m, n) + (int)__umul64hi(v, w) + __mul24(a, b) + __umul24(p, q);
  y[2] = __byte_perm(p, q, r) + __funnelshift_l(p, q, r) + __funnelshift_r(p, q, r) + __funnelshift_lc(p, q, r) + __funnelshift_rc(p, q, r) + __sad(a, b, p) + __usad(p, q, r) + __hadd(a, b) + __rhadd(a, b) + __uhadd(p, q) + __urhadd(p, q) + __fns(p, q, 2);
  y[3] = __vadd4(p, q) + __vsub4(p, q) + __vabsdiffu4(p, q) + __vmaxs4(p, q) + __vminu2(p, q) + __vavgs4(p, q) + __vcmpeq4(p, q) + __vsetltu4(p, q) + __vadd2(p, q) + __vaddss4(p, q) + __vabs2(p) + __vsads4(p, q) + __vsadu4(p, q) + __vneg4(p) + __vimax3_s32(a, b, c) + __viaddmax_s32(a, b, c) + __vibmax_s32(a, b, nullptr);
  z[0] = m + n * (long long)a - m / n + m % n + (m << (a & 63)) + (m >> b) + (long long)(v >> c) + (long long)(v / w) + (long long)(v % w) + min(m, n) + llmax(m, n) + (m & n) + (m | n) + (m ^ n) + ~m + llabs(m) + (long long)a * b + (long long)((unsigned long long)p * q);
  const unsigned __int128 wide = (unsigned __int128)v * w + ul[2];
  z[1] = (long long)(wide >> 64) + (long long)wide;
  const __int128 other = (__int128)m - n;
  z[2] = (long long)(other >> 3);
  z[3] = a < b ? m : n;
  short s = (short)a * (short)b;
  s += (short)c, s >>= 2;
  unsigned char k = (unsigned char)(p + q);
  k = k > 7 ? k / 3 : k;
  y[4] = s + k;
  unsigned f, g, h, t;
  asm("bfe.u32 %0, %1, 3, 7;" : "=r"(f) : "r"(p));
  asm("bfi.b32 %0, %1, %2, 4, 8;" : "=r"(g) : "r"(p), "r"(q));
  asm("bfind.u32 %0, %1;" : "=r"(h) : "r"(p));
  asm("szext.clamp.s32 %0, %1, 5;" : "=r"(t) : "r"(p));
  y[5] = f + g + h + t;
  asm("{ .reg .u32 lo, hi; add.cc.u32 lo, %1, %2; addc.u32 hi, 0, 0; sub.cc.u32 lo, lo, %2; subc.u32 hi, hi, lo; mad.lo.cc.u32 lo, %1, %2, hi; madc.hi.u32 %0, %1, %2, lo; }" : "=r"(f) : "r"(p), "r"(q));
  y[6] = f;
}
extern "C" __global__ void specials(unsigned* o, unsigned long long* t, const void* p) {
  o[0] = threadIdx.x + threadIdx.y + threadIdx.z + blockIdx.x + blockIdx.y + blockIdx.z + blockDim.x + blockDim.y + blockDim.z + gridDim.x + gridDim.y + gridDim.z + warpSize;
  t[0] = clock() + clock64() + __isShared(p) + __isGlobal(p) + __isLocal(p) + __isConstant(p) + __isGridConstant(p);
  unsigned a, b, c, d, e, f, g;
  asm volatile("mov.u32 %0, %%laneid; mov.u32 %1, %%warpid; mov.u32 %2, %%smid; mov.u32 %3, %%lanemask_lt; mov.u32 %4, %%nsmid; mov.u32 %5, %%dynamic_smem_size; mov.u32 %6, %%lanemask_ge;" : "=r"(a), "=r"(b), "=r"(c), "=r"(d), "=r"(e), "=r"(f), "=r"(g));
  unsigned long long time;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(time));
  o[1] = a + b + c + d + e + f + g + (unsigned)time;
  __nanosleep(100);
  asm volatile("prefetch.global.L2 [%0];" ::"l"(p));
  asm volatile("discard.global.L2 [%0], 128;" ::"l"(o));
  unsigned long long policy;
  asm volatile("createpolicy.fractional.L2::evict_last.b64 %0, 1.0;" : "=l"(policy));
  asm volatile("ld.global.L2::cache_hint.u32 %0, [%1], %2;" : "=r"(a) : "l"(o), "l"(policy));
  asm volatile("ld.global.nc.L1::no_allocate.L2::128B.v4.u32 {%0,%1,%2,%3}, [%4];" : "=r"(a), "=r"(b), "=r"(c), "=r"(d) : "l"(p));
  asm volatile("st.global.L2::cache_hint.u32 [%0], %1, %2;" ::"l"(o), "r"(a + b + c + d), "l"(policy));
  asm volatile("red.global.add.f32 [%0], %1;" ::"l"(o + 3), "f"(1.0f));
  asm volatile("red.global.max.s32 [%0], %1;" ::"l"(o + 4), "r"(a));
}
