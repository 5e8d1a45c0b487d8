#include "textflag.h"

// SHA-256 (FIPS 180-4, 6.2.2) of sixteen messages at once. A register holds one word of
// each: Z0 to Z7 the working variables a to h, Z16 to Z31 the sixteen words of the message
// schedule that are needed next. Z8 to Z15 are for what is computed on the way.
//
// VPTERNLOGD computes any function of three bits: 0x96 is x^y^z, 0xca Ch and 0xe8 Maj.

// The round constants (FIPS 180-4, 4.2.2).
DATA constants<>+0(SB)/8, $0x71374491428a2f98
DATA constants<>+8(SB)/8, $0xe9b5dba5b5c0fbcf
DATA constants<>+16(SB)/8, $0x59f111f13956c25b
DATA constants<>+24(SB)/8, $0xab1c5ed5923f82a4
DATA constants<>+32(SB)/8, $0x12835b01d807aa98
DATA constants<>+40(SB)/8, $0x550c7dc3243185be
DATA constants<>+48(SB)/8, $0x80deb1fe72be5d74
DATA constants<>+56(SB)/8, $0xc19bf1749bdc06a7
DATA constants<>+64(SB)/8, $0xefbe4786e49b69c1
DATA constants<>+72(SB)/8, $0x240ca1cc0fc19dc6
DATA constants<>+80(SB)/8, $0x4a7484aa2de92c6f
DATA constants<>+88(SB)/8, $0x76f988da5cb0a9dc
DATA constants<>+96(SB)/8, $0xa831c66d983e5152
DATA constants<>+104(SB)/8, $0xbf597fc7b00327c8
DATA constants<>+112(SB)/8, $0xd5a79147c6e00bf3
DATA constants<>+120(SB)/8, $0x1429296706ca6351
DATA constants<>+128(SB)/8, $0x2e1b213827b70a85
DATA constants<>+136(SB)/8, $0x53380d134d2c6dfc
DATA constants<>+144(SB)/8, $0x766a0abb650a7354
DATA constants<>+152(SB)/8, $0x92722c8581c2c92e
DATA constants<>+160(SB)/8, $0xa81a664ba2bfe8a1
DATA constants<>+168(SB)/8, $0xc76c51a3c24b8b70
DATA constants<>+176(SB)/8, $0xd6990624d192e819
DATA constants<>+184(SB)/8, $0x106aa070f40e3585
DATA constants<>+192(SB)/8, $0x1e376c0819a4c116
DATA constants<>+200(SB)/8, $0x34b0bcb52748774c
DATA constants<>+208(SB)/8, $0x4ed8aa4a391c0cb3
DATA constants<>+216(SB)/8, $0x682e6ff35b9cca4f
DATA constants<>+224(SB)/8, $0x78a5636f748f82ee
DATA constants<>+232(SB)/8, $0x8cc7020884c87814
DATA constants<>+240(SB)/8, $0xa4506ceb90befffa
DATA constants<>+248(SB)/8, $0xc67178f2bef9a3f7
GLOBL constants<>(SB), RODATA|NOPTR, $256

// How the bytes of each word are turned around: messages are big-endian.
DATA turn<>+0(SB)/8, $0x0405060700010203
DATA turn<>+8(SB)/8, $0x0c0d0e0f08090a0b
DATA turn<>+16(SB)/8, $0x0405060700010203
DATA turn<>+24(SB)/8, $0x0c0d0e0f08090a0b
DATA turn<>+32(SB)/8, $0x0405060700010203
DATA turn<>+40(SB)/8, $0x0c0d0e0f08090a0b
DATA turn<>+48(SB)/8, $0x0405060700010203
DATA turn<>+56(SB)/8, $0x0c0d0e0f08090a0b
GLOBL turn<>(SB), RODATA|NOPTR, $64

// ROUND is one round with the word w of the schedule and the constant at k(R9). The
// new a is left in h and the new e in d, so that the next round has its names moved by one.
#define ROUND(a, b, c, d, e, f, g, h, w, k) \
	VPADDD        w, h, h;              \
	VPADDD.BCST   k(R9), h, h;          \
	VPRORD        $6, e, Z8;            \
	VPRORD        $11, e, Z9;           \
	VPRORD        $25, e, Z10;          \
	VPTERNLOGD    $0x96, Z10, Z9, Z8;   \
	VMOVDQA32     e, Z11;               \
	VPTERNLOGD    $0xca, g, f, Z11;     \
	VPADDD        Z8, h, h;             \
	VPADDD        Z11, h, h;            \
	VPADDD        h, d, d;              \
	VPRORD        $2, a, Z12;           \
	VPRORD        $13, a, Z13;          \
	VPRORD        $22, a, Z14;          \
	VPTERNLOGD    $0x96, Z14, Z13, Z12; \
	VMOVDQA32     a, Z15;               \
	VPTERNLOGD    $0xe8, c, b, Z15;     \
	VPADDD        Z12, h, h;            \
	VPADDD        Z15, h, h

// SCHEDULE replaces word t of the schedule, in w0, by word t+16: those of t+1, t+9 and t+14
// are its other arguments.
#define SCHEDULE(w0, w1, w9, w14)           \
	VPRORD        $7, w1, Z8;           \
	VPRORD        $18, w1, Z9;          \
	VPSRLD        $3, w1, Z10;          \
	VPTERNLOGD    $0x96, Z10, Z9, Z8;   \
	VPRORD        $17, w14, Z11;        \
	VPRORD        $19, w14, Z12;        \
	VPSRLD        $10, w14, Z13;        \
	VPTERNLOGD    $0x96, Z13, Z12, Z11; \
	VPADDD        w9, w0, w0;           \
	VPADDD        Z8, w0, w0;           \
	VPADDD        Z11, w0, w0

// LOAD reads the block of one message as it lies in memory, in words of this machine.
#define LOAD(offset, z)                 \
	MOVQ      offset(SI), R8;       \
	VMOVDQU32 (R8)(BX*1), z;        \
	VPSHUFB   Z0, z, z

// ZIP32, ZIP64 and ZIP128 are the steps of turning sixteen messages of sixteen words
// into sixteen registers of one word each: see blocks.
#define ZIP32(x, y, low, high)      \
	VPUNPCKLDQ y, x, low;       \
	VPUNPCKHDQ y, x, high

#define ZIP64(x, y, low, high)      \
	VPUNPCKLQDQ y, x, low;      \
	VPUNPCKHQDQ y, x, high

#define ZIP128(x, y, even, odd)      \
	VSHUFI32X4 $0x88, y, x, even; \
	VSHUFI32X4 $0xdd, y, x, odd

// func shaInstructions() bool
TEXT ·shaInstructions(SB), NOSPLIT, $0-1
	MOVB $0, ret+0(FP)
	XORL AX, AX
	CPUID
	CMPL AX, $7
	JLT  none
	MOVL $7, AX
	XORL CX, CX
	CPUID
	SHRL $29, BX
	ANDL $1, BX
	MOVB BX, ret+0(FP)

none:
	RET

// func blocks(state *[8][lanes]uint32, data *[lanes]*byte, n int)
TEXT ·blocks(SB), NOSPLIT, $0-24
	MOVQ state+0(FP), DI
	MOVQ data+8(FP), SI
	MOVQ n+16(FP), CX
	XORQ BX, BX // where the block begins in each message
	TESTQ CX, CX
	JZ   done

block:
	VMOVDQU32 turn<>(SB), Z0
	LOAD(0, Z16)
	LOAD(8, Z17)
	LOAD(16, Z18)
	LOAD(24, Z19)
	LOAD(32, Z20)
	LOAD(40, Z21)
	LOAD(48, Z22)
	LOAD(56, Z23)
	LOAD(64, Z24)
	LOAD(72, Z25)
	LOAD(80, Z26)
	LOAD(88, Z27)
	LOAD(96, Z28)
	LOAD(104, Z29)
	LOAD(112, Z30)
	LOAD(120, Z31)

	// The sixteen messages are the rows of a matrix that is transposed here: pairs of words,
	// then fours of them, then quarters of registers.
	ZIP32(Z16, Z17, Z0, Z1)
	ZIP32(Z18, Z19, Z2, Z3)
	ZIP32(Z20, Z21, Z4, Z5)
	ZIP32(Z22, Z23, Z6, Z7)
	ZIP32(Z24, Z25, Z8, Z9)
	ZIP32(Z26, Z27, Z10, Z11)
	ZIP32(Z28, Z29, Z12, Z13)
	ZIP32(Z30, Z31, Z14, Z15)
	ZIP64(Z0, Z2, Z16, Z17)
	ZIP64(Z1, Z3, Z18, Z19)
	ZIP64(Z4, Z6, Z20, Z21)
	ZIP64(Z5, Z7, Z22, Z23)
	ZIP64(Z8, Z10, Z24, Z25)
	ZIP64(Z9, Z11, Z26, Z27)
	ZIP64(Z12, Z14, Z28, Z29)
	ZIP64(Z13, Z15, Z30, Z31)
	ZIP128(Z16, Z20, Z0, Z4)
	ZIP128(Z24, Z28, Z8, Z12)
	ZIP128(Z17, Z21, Z1, Z5)
	ZIP128(Z25, Z29, Z9, Z13)
	ZIP128(Z18, Z22, Z2, Z6)
	ZIP128(Z26, Z30, Z10, Z14)
	ZIP128(Z19, Z23, Z3, Z7)
	ZIP128(Z27, Z31, Z11, Z15)
	ZIP128(Z0, Z8, Z16, Z24)
	ZIP128(Z4, Z12, Z20, Z28)
	ZIP128(Z1, Z9, Z17, Z25)
	ZIP128(Z5, Z13, Z21, Z29)
	ZIP128(Z2, Z10, Z18, Z26)
	ZIP128(Z6, Z14, Z22, Z30)
	ZIP128(Z3, Z11, Z19, Z27)
	ZIP128(Z7, Z15, Z23, Z31)

	VMOVDQU32 0(DI), Z0
	VMOVDQU32 64(DI), Z1
	VMOVDQU32 128(DI), Z2
	VMOVDQU32 192(DI), Z3
	VMOVDQU32 256(DI), Z4
	VMOVDQU32 320(DI), Z5
	VMOVDQU32 384(DI), Z6
	VMOVDQU32 448(DI), Z7

	LEAQ constants<>(SB), R9
	MOVQ $3, R10

sixteen:
	ROUND(Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z16, 0)
	SCHEDULE(Z16, Z17, Z25, Z30)
	ROUND(Z7, Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z17, 4)
	SCHEDULE(Z17, Z18, Z26, Z31)
	ROUND(Z6, Z7, Z0, Z1, Z2, Z3, Z4, Z5, Z18, 8)
	SCHEDULE(Z18, Z19, Z27, Z16)
	ROUND(Z5, Z6, Z7, Z0, Z1, Z2, Z3, Z4, Z19, 12)
	SCHEDULE(Z19, Z20, Z28, Z17)
	ROUND(Z4, Z5, Z6, Z7, Z0, Z1, Z2, Z3, Z20, 16)
	SCHEDULE(Z20, Z21, Z29, Z18)
	ROUND(Z3, Z4, Z5, Z6, Z7, Z0, Z1, Z2, Z21, 20)
	SCHEDULE(Z21, Z22, Z30, Z19)
	ROUND(Z2, Z3, Z4, Z5, Z6, Z7, Z0, Z1, Z22, 24)
	SCHEDULE(Z22, Z23, Z31, Z20)
	ROUND(Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z0, Z23, 28)
	SCHEDULE(Z23, Z24, Z16, Z21)
	ROUND(Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z24, 32)
	SCHEDULE(Z24, Z25, Z17, Z22)
	ROUND(Z7, Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z25, 36)
	SCHEDULE(Z25, Z26, Z18, Z23)
	ROUND(Z6, Z7, Z0, Z1, Z2, Z3, Z4, Z5, Z26, 40)
	SCHEDULE(Z26, Z27, Z19, Z24)
	ROUND(Z5, Z6, Z7, Z0, Z1, Z2, Z3, Z4, Z27, 44)
	SCHEDULE(Z27, Z28, Z20, Z25)
	ROUND(Z4, Z5, Z6, Z7, Z0, Z1, Z2, Z3, Z28, 48)
	SCHEDULE(Z28, Z29, Z21, Z26)
	ROUND(Z3, Z4, Z5, Z6, Z7, Z0, Z1, Z2, Z29, 52)
	SCHEDULE(Z29, Z30, Z22, Z27)
	ROUND(Z2, Z3, Z4, Z5, Z6, Z7, Z0, Z1, Z30, 56)
	SCHEDULE(Z30, Z31, Z23, Z28)
	ROUND(Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z0, Z31, 60)
	SCHEDULE(Z31, Z16, Z24, Z29)
	ADDQ $64, R9
	DECQ R10
	JNZ  sixteen

	ROUND(Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z16, 0)
	ROUND(Z7, Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z17, 4)
	ROUND(Z6, Z7, Z0, Z1, Z2, Z3, Z4, Z5, Z18, 8)
	ROUND(Z5, Z6, Z7, Z0, Z1, Z2, Z3, Z4, Z19, 12)
	ROUND(Z4, Z5, Z6, Z7, Z0, Z1, Z2, Z3, Z20, 16)
	ROUND(Z3, Z4, Z5, Z6, Z7, Z0, Z1, Z2, Z21, 20)
	ROUND(Z2, Z3, Z4, Z5, Z6, Z7, Z0, Z1, Z22, 24)
	ROUND(Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z0, Z23, 28)
	ROUND(Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z24, 32)
	ROUND(Z7, Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z25, 36)
	ROUND(Z6, Z7, Z0, Z1, Z2, Z3, Z4, Z5, Z26, 40)
	ROUND(Z5, Z6, Z7, Z0, Z1, Z2, Z3, Z4, Z27, 44)
	ROUND(Z4, Z5, Z6, Z7, Z0, Z1, Z2, Z3, Z28, 48)
	ROUND(Z3, Z4, Z5, Z6, Z7, Z0, Z1, Z2, Z29, 52)
	ROUND(Z2, Z3, Z4, Z5, Z6, Z7, Z0, Z1, Z30, 56)
	ROUND(Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z0, Z31, 60)

	VPADDD 0(DI), Z0, Z0
	VPADDD 64(DI), Z1, Z1
	VPADDD 128(DI), Z2, Z2
	VPADDD 192(DI), Z3, Z3
	VPADDD 256(DI), Z4, Z4
	VPADDD 320(DI), Z5, Z5
	VPADDD 384(DI), Z6, Z6
	VPADDD 448(DI), Z7, Z7
	VMOVDQU32 Z0, 0(DI)
	VMOVDQU32 Z1, 64(DI)
	VMOVDQU32 Z2, 128(DI)
	VMOVDQU32 Z3, 192(DI)
	VMOVDQU32 Z4, 256(DI)
	VMOVDQU32 Z5, 320(DI)
	VMOVDQU32 Z6, 384(DI)
	VMOVDQU32 Z7, 448(DI)

	ADDQ $64, BX
	DECQ CX
	JNZ  block
	VZEROUPPER

done:
	RET
