/* four.h - four neighbouring elements at once; the address is a multiple of their size together. */
OCC_DEVICE void occ_get4_f(float *to, const float *from)
{
    const float4 v = occ_load_f4(from);
    to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
}
OCC_DEVICE void occ_put4_f(float *to, const float *from)
{
    occ_store_f4(to, make_float4(from[0], from[1], from[2], from[3]));
}
OCC_DEVICE void occ_get4_i(int32_t *to, const int32_t *from)
{
    const uint4 v = occ_load16(from);
    to[0] = (int32_t)v.x, to[1] = (int32_t)v.y, to[2] = (int32_t)v.z, to[3] = (int32_t)v.w;
}
OCC_DEVICE void occ_put4_i(int32_t *to, const int32_t *from)
{
    occ_store16(to, make_uint4((uint32_t)from[0], (uint32_t)from[1], (uint32_t)from[2], (uint32_t)from[3]));
}
/* 16 bits each: float16, bfloat16. */
OCC_DEVICE void occ_get4_h(uint16_t *to, const uint16_t *from)
{
    const uint2 v = occ_load8(from);
    to[0] = (uint16_t)v.x, to[1] = (uint16_t)(v.x >> 16), to[2] = (uint16_t)v.y, to[3] = (uint16_t)(v.y >> 16);
}
OCC_DEVICE void occ_put4_h(uint16_t *to, const uint16_t *from)
{
    occ_store8(to, make_uint2((uint32_t)from[0] | (uint32_t)from[1] << 16, (uint32_t)from[2] | (uint32_t)from[3] << 16));
}
