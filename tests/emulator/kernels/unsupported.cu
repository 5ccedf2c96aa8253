extern "C" __global__ void mbarrier(int* x) {
  __shared__ unsigned long long bar;
  asm volatile("mbarrier.init.shared.b64 [%0], 1;" ::"r"((unsigned)__cvta_generic_to_shared(&bar)));
  x[0] = 1;
}
