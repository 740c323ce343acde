// Products of 16-bit tiles on the tensor cores, and the loads that bring operands into the shape in which those want them (PTX ISA 8.0, mma.m16n8k16). Follows common.cu.
//
// An f32 goes in as two bf16, its high and its low part, which together keep 16 bits of mantissa; sums are f32.

__device__ __forceinline__ u32 sharedAddress(const void* pointer) {
  u32 address;
  asm("{.reg .u64 wide; cvta.to.shared.u64 wide, %1; cvt.u32.u64 %0, wide;}" : "=r"(address) : "l"(pointer));
  return address;
}

// Rows of 8 elements: lane i names row i % 8 of matrix i / 8.
__device__ __forceinline__ void loadMatrices(u32 (&fragment)[4], const u16* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(fragment[0]), "=r"(fragment[1]), "=r"(fragment[2]), "=r"(fragment[3]) : "r"(sharedAddress(row)) : "memory");
}
__device__ __forceinline__ void loadMatrices(u32 (&fragment)[2], const u16* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];" : "=r"(fragment[0]), "=r"(fragment[1]) : "r"(sharedAddress(row)) : "memory");
}
__device__ __forceinline__ void loadTransposed(u32 (&fragment)[2], const u16* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];" : "=r"(fragment[0]), "=r"(fragment[1]) : "r"(sharedAddress(row)) : "memory");
}

// sums[16, 8] += a[16, 16] b[16, 8]. Lane i holds rows i / 4 and i / 4 + 8, columns 2 (i % 4) and the next.
__device__ __forceinline__ void multiplyMatrices(float (&sums)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Two floats as their high parts and what those leave out.
__device__ __forceinline__ void splitPair(float first, float second, u32& high, u32& low) {
  const u16 firstHigh = floatToBf16(first), secondHigh = floatToBf16(second);
  high = firstHigh | (u32)secondHigh << 16;
  low = floatToBf16(first - bf16ToFloat(firstHigh)) | (u32)floatToBf16(second - bf16ToFloat(secondHigh)) << 16;
}

// 16 bytes to shared memory, or as many zeros, without waiting: see waitForCopies.
__device__ __forceinline__ void copyAsync(void* to, const void* from, bool inside) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(sharedAddress(to)), "l"(from), "r"(inside ? 16 : 0) : "memory");
}
__device__ __forceinline__ void closeCopies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// All groups closed so far but the last `LEFT` are there, for the thread that asked for them.
template <int LEFT> __device__ __forceinline__ void waitForCopies() { asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory"); }
