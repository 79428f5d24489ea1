/* test_onnx_window.c - ONNX's sliding, sampling and region operators: onnxruntime's numbers (1.32,
 * CPU), the faults A32,
 * A33, A35, A38, and what must be refused. */
#include "tests/op_lines.h"

/* Computed by onnxruntime. */
static const struct vector vectors[] = {
    {"Conv@11 f32[1,4,5,4] f32[4,2,3,2] f32[4] group:i=2 pads:is=1,0,0,1 strides:is=2,1 "
     "dilations:is=1,2",
     "f32[1,4,2,3]= 1.5625 -0.875 1.5625 3.125 -1.875 1.1875 -2.3125 -0.875 1.0625 -2.375 "
     "-2.25 1.875 2.125 1.25 0.6875 4.125 -1.625 1.3125 -0.0625 -1.875 -0.6875 -1.25 0.1875 "
     "1.375"},
    {"Conv@11 f32[1,2,7] f32[2,2,3] auto_pad:s=SAME_LOWER strides:is=2",
     "f32[1,2,4]= -1.4375 0.9375 -1.5625 0.75 -0.5625 0.5625 -1.4375 0.625"},
    {"Conv@11 f32[1,2,3,4,3] f32[2,2,2,3,2] f32[2] auto_pad:s=SAME_UPPER strides:is=2,2,2",
     "f32[1,2,2,2,2]= 2.6875 -2.4375 2.375 -2.875 0.4375 0.0625 -1.125 0.1875 -1.5625 -1.375 "
     "3.1875 -2 -1.25 -0.8125 -1.625 -0.9375"},
    {"ConvTranspose@11 f32[1,2,3,4] f32[2,1,3,2] f32[2] group:i=2 strides:is=2,1 pads:is=1,0,0,1 "
     "output_padding:is=1,0",
     "f32[1,2,7,4]= -0.0625 1.3125 -0.25 0.9375 -1.125 1.4375 -1.6875 2.75 0.3125 -0.125 "
     "1.0625 -0.5 1 -2.125 2.3125 0.5625 0 1.1875 -0.375 0.125 -0.75 1 0 -1 0.25 0.25 0.25 "
     "0.25 -0.875 -1.25 -0.4375 -2.375 0.25 -2.8125 0.875 -0.25 -0.5625 -0.0625 -2 -0.5 -1.875 "
     "0.9375 -0.1875 -2.6875 -0.9375 -1.625 -0.125 0.6875 -0.375 -1.25 -1.25 0.125 -0.75 -0.75 "
     "-0.75 -0.75"},
    {"ConvTranspose@11 f32[1,2,4] f32[2,2,3] strides:is=3 output_shape:is=11",
     "f32[1,2,11]= -1.375 -0.375 0.5 0.0625 0.3125 -0.75 0.125 -0.375 -0.625 1.5625 0.3125 "
     "-1.125 -0.125 0.5625 0.125 0.375 -0.875 0 -0.5 -0.9375 1.25 0"},
    {"ConvTranspose@11 f32[1,1,2,2,2] f32[1,2,2,1,2] dilations:is=2,1,1",
     "f32[1,2,4,2,3]= 0.625 -1.8125 0.625 0.25 -1.25 1.5625 -0.125 0.6875 -0.9375 -0.5 1.25 0 "
     "-0.3125 1.0625 -0.375 -0.125 0.6875 -0.9375 0.0625 -0.375 0.5625 0.25 -0.75 0 -1.25 0.5 "
     "0 -0.5 1.25 0 0.25 -0.75 0 1 0 0 1.25 -1.4375 0.375 0.5 -1.625 0.9375 -0.25 0.9375 "
     "-0.5625 -1 0.75 0"},
    {"ConvInteger@10 u8[1,2,4,4] i8[2,2,3,2] u8[]=3 i8[]=-2 pads:is=1,0,0,0",
     "i32[1,2,3,3]= 4 22 29 70 59 48 4 59 92 69 -49 64 7 111 61 126 -23 48"},
    {"QLinearConv@10 u8[1,2,4,4] f32[]=0.5 u8[]=4 i8[2,2,2,2] f32[2]=0.25,0.125 i8[2]=0,0 "
     "f32[]=0.75 u8[]=100 i32[2]=7,-9",
     "u8[1,2,3,3]= 94 107 98 104 102 102 93 106 97 96 103 98 101 100 100 96 103 98"},
    {"MaxPool@12 f32[1,2,5,4] kernel_shape:is=3,2 strides:is=2,2 pads:is=1,0,1,1 ceil_mode:i=1 "
     "storage_order:i=1 out=2",
     "f32[1,2,3,2]= 0.5 1.25 0.75 1.25 1 1.25 1.25 0.5 1.25 0.75 1.25 1 | i64[1,2,3,2]= 5 15 7 "
     "13 9 13 26 35 26 37 24 39"},
    {"MaxPool@12 i8[1,1,3,4,3] kernel_shape:is=2,2,2 out=1",
     "i8[1,1,2,3,2]= 5 5 5 4 4 3 5 5 4 4 3 3"},
    {"AveragePool@19 f32[1,1,5,6] kernel_shape:is=3,2 strides:is=2,2 pads:is=1,1,1,0 ceil_mode:i=1 "
     "count_include_pad:i=1 dilations:is=1,2",
     "f32[1,1,3,3]= 0.08333334 0.4166667 0 -0.25 -0.125 0.1666667 0.04166667 -0.125 "
     "-0.08333334"},
    {"AveragePool@19 f32[1,2,7] kernel_shape:is=3 strides:is=3 auto_pad:s=SAME_LOWER",
     "f32[1,2,3]= -0.375 0.3333333 0.125 -0.5 -0.25 0"},
    {"LpPool@18 f32[1,1,4,5] kernel_shape:is=2,3 p:i=3 dilations:is=1,2",
     "f32[1,1,3,1]= 1.432164 1.432164 1.60174"},
    {"GlobalMaxPool@1 f32[1,3,2,5]",
     "f32[1,3,1,1]= 1.25 1.25 1.25"},
    {"GlobalLpPool@2 f32[1,3,2,5] p:i=3",
     "f32[1,3,1,1]= 1.914353 1.876665 1.82027"},
    {"GlobalAveragePool@1 f32[2,2,7]",
     "f32[2,2,1]= 0.07142857 -0.25 0.2142857 -0.1071429"},
    {"Resize@19 f32[1,1,3,4] - - i64[4]=1,1,5,3 mode:s=cubic cubic_coeff_a:f=-0.5 "
     "exclude_outside:i=1",
     "f32[1,1,5,3]= -1.127256 -0.009433983 1.108387 -0.5935083 0.03055043 0.7791238 0.1170676 "
     "0.125 0.1329324 -0.4200009 0.3233443 -0.7387819 -0.8583876 0.4442807 -1.243766"},
    {"Resize@18 f32[1,1,6,8] - f32[2]=0.5,0.6 axes:is=2,3 mode:s=linear antialias:i=1",
     "f32[1,1,3,4]= -0.4375001 -0.03819445 0.140625 0.05859359 -0.09765629 0.04861111 "
     "0.0937499 -0.2460935 -0.4023438 0.05902779 -0.1250001 -0.07812488"},
    {"Resize@19 f32[1,1,4,5] - - i64[2]=7,8 axes:is=3,2 keep_aspect_ratio_policy:s=not_larger "
     "mode:s=nearest",
     "f32[1,1,6,7]= -1.25 0.5 0.5 -0.5 1.25 1.25 0.25 -0.75 1 1 0 -1 -1 0.75 -0.75 1 1 0 -1 -1 "
     "0.75 -0.25 -1.25 -1.25 0.5 -0.5 -0.5 1.25 0.25 -0.75 -0.75 1 0 0 -1 0.25 -0.75 -0.75 1 0 "
     "0 -1"},
    {"Resize@13 f32[1,1,4,4] f32[8]=0,0,0.2,-0.2,1,1,0.8,0.9 - i64[4]=1,1,3,5 mode:s=linear "
     "coordinate_transformation_mode:s=tf_crop_and_resize extrapolation_value:f=9",
     "f32[1,1,3,5]= 9 -0.3275 -0.2175 0.3187501 0.47 9 -0.290625 0.01875003 0.3281251 "
     "-0.3250003 9 -0.2537499 0.2549999 0.3375001 -0.3500002"},
    {"Resize@10 f32[1,1,3,5] f32[4]=1,1,2,0.6 mode:s=linear",
     "f32[1,1,6,3]= -1.25 -0.1666666 0.9166667 -1 0.08333337 0.25 -0.75 0.3333334 -0.4166668 "
     "-0.5 0.125 -0.1666668 -0.25 -0.0833334 0.08333319 -0.25 -0.0833334 0.08333319"},
    {"Upsample@9 f32[1,1,2,3] f32[4]=1,1,2,1.5 mode:s=nearest",
     "f32[1,1,4,4]= -1.25 -1.25 0.5 -0.5 -1.25 -1.25 0.5 -0.5 1.25 1.25 0.25 -0.75 1.25 1.25 "
     "0.25 -0.75"},
    {"GridSample@16 f32[1,1,3,4] f32[1,2,3,2] mode:s=bicubic padding_mode:s=reflection",
     "f32[1,1,2,3]= 0.0001525879 -0.6230469 -0.1875 -1.472961 0.6025391 0.42099"},
    {"GridSample@20 f32[1,1,2,3,3] f32[1,1,2,2,3] mode:s=linear padding_mode:s=border "
     "align_corners:i=1",
     "f32[1,1,1,2,2]= 0.03125 0.375 0.78125 0.9375"},
    {"AffineGrid@20 f32[1,2,3] i64[4]=1,1,2,3 align_corners:i=1",
     "f32[1,2,3,2]= 0.25 -2.25 -1 -1 -2.25 0.25 1.25 -1.75 0 -0.5 -1.25 0.75"},
    {"DeformConv@19 f32[1,2,4,4] f32[2,1,2,2] f32[1,16,3,3] f32[2] f32[1,8,3,3] group:i=2 "
     "offset_group:i=2",
     "f32[1,2,3,3]= 0.890625 0.953125 1.265625 1.267578 0.6113281 1.091797 0.8671875 0.7480469 "
     "1.143555 -0.4921875 0.484375 0.46875 -0.4296875 0.02539062 -0.2714844 0.1484375 "
     "-0.1054688 -1.078125"},
    {"MaxUnpool@11 f32[1,1,2,2] i64[1,1,2,2]=1,3,9,15 kernel_shape:is=2,2 strides:is=2,2",
     "f32[1,1,4,4]= 0 -1.25 0 0.5 0 0 0 0 0 -0.5 0 0 0 0 0 1.25"},
    {"Col2Im@18 f32[1,8,6] i64[2]=3,4 i64[2]=2,2",
     "f32[1,2,3,4]= -1.25 1.5 -0.5 -1 1.75 0.5 -0.75 -0.5 0.25 -1 -0.25 0.5 -0.5 0.25 1 -0.25 "
     "0.5 0.75 -0.5 -1.75 1 0.5 -1.5 1.25"},
    {"RoiAlign@16 f32[2,1,5,6] f32[2,4]=0.5,1,4,3.5,1,1,3,9 i64[2]=1,0 output_height:i=2 "
     "output_width:i=2 spatial_scale:f=0.8",
     "f32[2,1,2,2]= 0.53 -0.265 0.2500001 -0.66875 -0.1637501 -0.05624986 0.3268751 0.3531249"},
    {"RoiAlign@10 f32[2,1,5,6] f32[2,4]=0.5,1,4,3.5,1,1,3,9 i64[2]=1,0 output_height:i=2 "
     "output_width:i=2 sampling_ratio:i=2 mode:s=max",
     "f32[2,1,2,2]= 0.1611328 0.4726562 0.6601562 0.2539062 0.9375 0.9375 -0 -0"},
    {"MaxRoiPool@1 f32[2,1,5,6] f32[2,5]=1,1,1,4,3,0,2,0,5,4 pooled_shape:is=2,2",
     "f32[2,1,2,2]= 0.25 1 1 0.5 1.25 1 1.25 1"},
};

/* A32: ties that float32 scales lose. */
static void test_A32_coordinates(void)
{
    static const struct vector ties[] = {
        {"Resize@13 f32[20]=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19 - - i64[1]=6 "
         "nearest_mode:s=round_prefer_ceil",
         "f32[6]= 1 5 8 11 15 18"},
        {"Resize@13 f32[4]=0,1,2,3 - - i64[1]=6", "f32[6]= 0 0 1 2 2 3"},
        {"Resize@13 f32[4]=0,1,2,3 - - i64[1]=6 coordinate_transformation_mode:s=asymmetric",
         "f32[6]= 0 1 1 2 3 3"},
        {"Resize@13 f32[4]=0,1,2,3 - - i64[1]=6 coordinate_transformation_mode:s=align_corners",
         "f32[6]= 0 1 1 2 2 3"},
        {"Resize@13 u8[4]=0,1,2,3 - f32[1]=1.5 coordinate_transformation_mode:s=asymmetric",
         "u8[6]= 0 1 1 2 3 3"},
    };
    char call[400] = "Resize@13 f32[26]=", want[400] = "f32[64]=", one[16];
    LINES_EXPECT(ties, 0);
    for (int i = 0; i < 26; i++) snprintf(one, sizeof one, "%d,", i), strcat(call, one);
    for (int i = 0; i < 64; i++) snprintf(one, sizeof one, " %d", i * 26 / 64), strcat(want, one);
    T_CHECK(strstr(want, " 12 12 13 13 13") != NULL, "30..34 are 12,12,13,13,13");
    const size_t end = strlen(call) - 1;
    strcpy(call + end,
           " - - i64[1]=64 nearest_mode:s=floor coordinate_transformation_mode:s=asymmetric");
    line_expect(call, want, 0);
    strcpy(
        call + end,
        " - f32[1]=2.46153855 - nearest_mode:s=floor coordinate_transformation_mode:s=asymmetric");
    line_expect(call, want, 0);
}

/* A33: auto_pad of a transposed convolution: input times stride, the odd pad at the right end. */
static void test_A33_auto_pad(void)
{
    line_expect(
        "ConvTranspose@11 f32[1,1,3]=1,2,3 f32[1,1,3]=1,1,1 strides:is=2 auto_pad:s=SAME_UPPER",
        "f32[1,1,6]= 1 1 3 2 5 3", 0);
    line_expect(
        "ConvTranspose@11 f32[1,1,3]=1,2,3 f32[1,1,3]=1,1,1 strides:is=2 auto_pad:s=SAME_LOWER",
        "f32[1,1,6]= 1 3 2 5 3 3", 0);
    line_expect("ConvTranspose@11 f32[1,1,3]=1,2,3 f32[1,1,2]=1,1 strides:is=2 output_padding:is=1",
                "f32[1,1,7]= 1 1 2 2 3 3 0", 0);
}

/* A35: begin and end pads apart, dilation in pools. */
static void test_A35_asymmetric(void)
{
    line_expect("Conv@11 f32[1,1,3]=1,2,3 f32[1,1,2]=1,1 pads:is=0,1", "f32[1,1,3]= 3 5 3", 0);
    line_expect("Conv@11 f32[1,1,3]=1,2,3 f32[1,1,2]=1,1 pads:is=1,0", "f32[1,1,3]= 1 3 5", 0);
    line_expect("AveragePool@19 f32[1,1,3]=1,2,3 kernel_shape:is=2 strides:is=2 pads:is=0,1",
                "f32[1,1,2]= 1.5 3", 0);
    line_expect("AveragePool@19 f32[1,1,3]=1,2,3 kernel_shape:is=2 strides:is=2 pads:is=0,1 "
                "count_include_pad:i=1",
                "f32[1,1,2]= 1.5 1.5", 0);
    line_expect("MaxPool@12 f32[1,1,5]=1,2,3,4,5 kernel_shape:is=2 dilations:is=2",
                "f32[1,1,3]= 3 4 5", 0);
}

static void test_special_values(void)
{
    line_expect("MaxPool@12 f32[1,1,4]=1,nan,3,4 kernel_shape:is=2", "f32[1,1,3]= nan nan 4", 0);
    line_expect("GlobalMaxPool@1 f32[1,2,2]=1,nan,-inf,-3", "f32[1,2,1]= nan -3", 0);
    line_expect("MaxPool@12 f64[1,1,3]=1,2,1e300 kernel_shape:is=2 out=2",
                "f64[1,1,2]= 2 1e300 | i64[1,1,2]= 1 2", 0);
    line_expect("AveragePool@19 f16[1,1,3]=1,2,4 kernel_shape:is=2", "f16[1,1,2]= 1.5 3", 0);
    line_expect("Conv@11 f16[1,1,3]=1,2,4 f16[1,1,2]=1,1", "f16[1,1,2]= 3 6", 0);
    line_expect("Resize@13 u8[2]=0,255 - - i64[1]=4 mode:s=cubic", "u8[4]= 0 57 197 255",
                0); /* saturated */
    line_expect("Resize@13 bool[2]=0,1 - - i64[1]=4", "bool[4]= 0 0 1 1", 0);
    line_expect("GridSample@16 f32[1,1,2,2] f32[1,1,2,2]=nan,0,1e30,-1e30 mode:s=bilinear",
                "f32[1,1,1,2]= nan 0", 0);
    line_expect("GridSample@16 f32[1,1,2,2]=1,2,3,4 f32[1,1,1,2]=1e30,-1e30 mode:s=nearest "
                "padding_mode:s=border",
                "f32[1,1,1,1]= 2", 0);
    line_expect(
        "DeformConv@19 f32[1,1,2,2]=1,2,3,4 f32[1,1,1,1]=1 f32[1,2,2,2]=nan,1e30,0,0,0,0,0,0",
        "f32[1,1,2,2]= 0 0 3 4", 0);
}

/* Nothing in, nothing out; no division by nothing. */
static void test_empty(void)
{
    line_expect("Conv@11 f32[0,2,4] f32[3,2,3]", "f32[0,3,2]=", 0);
    line_expect("Conv@11 f32[1,0,4] f32[3,0,3] f32[3]=1,2,3", "f32[1,3,2]= 1 1 2 2 3 3", 0);
    line_expect("MaxPool@12 f32[2,0,4,4] kernel_shape:is=2,2", "f32[2,0,3,3]=", 0);
    line_expect("GlobalAveragePool@1 f32[2,0,4,4]", "f32[2,0,1,1]=", 0);
    line_expect("Resize@13 f32[0,3] - f32[2]=2,2", "f32[0,6]=", 0);
    line_expect("Resize@13 f32[1,3] - f32[2]=2,0.1", "f32[2,0]=", 0);
    line_expect("GridSample@16 f32[0,2,3,3] f32[0,2,2,2]", "f32[0,2,2,2]=", 0);
    line_expect("RoiAlign@16 f32[1,2,3,3] f32[0,4] i64[0]", "f32[0,2,1,1]=", 0);
    line_expect("Col2Im@18 f32[0,4,4] i64[2]=3,3 i64[2]=2,2", "f32[0,1,3,3]=", 0);
}

static void test_refusals(void)
{
    static const struct refusal wrong[] = {
        {"Conv@11 f32[1,3,4,4] f32[2,2,3,3]", SYN_INVALID, "3 channels, w for 2 of them"},
        {"Conv@11 f32[1,4,4,4] f32[3,2,3,3] group:i=2", SYN_INVALID, "outputs a multiple of group"},
        {"Conv@11 f32[1,1,4] f32[1,1,3] f32[2]", SYN_INVALID, "must be [1]"},
        {"Conv@11 f32[1,1,4] f32[1,1,3] auto_pad:s=SAME", SYN_INVALID, "auto_pad = 'SAME'"},
        {"Conv@11 f32[1,1,4] f32[1,1,5]", SYN_INVALID, "covers 5 of axis 2: exceeds x's 4"},
        {"Conv@11 f32[1,1,4] f32[1,1,3] kernel_shape:is=2", SYN_INVALID,
         "kernel_shape[0] = 2: must be 3"},
        {"Conv@11 f32[1,1,4] f32[1,1,3] pads:is=1", SYN_INVALID, "pads has 1 entries: must have 2"},
        {"Conv@11 i32[1,1,4] i32[1,1,3]", SYN_UNSUPPORTED, "x [1, 1, 4] holds i32"},
        {"Conv@11 f32[1,1,4] f64[1,1,3]", SYN_INVALID, "w holds f64"},
        {"Conv@11 f32[0,1,1099511627777] f32[1,1,3]", SYN_TOO_LARGE, "dimension 2"},
        {"ConvTranspose@11 f32[1,1,2] f32[1,1,2] pads:is=9,9", SYN_INVALID, "must not be negative"},
        {"ConvTranspose@11 f32[1,2,3] f32[1,1,2]", SYN_INVALID, "channels must be w's"},
        {"ConvTranspose@11 f32[1,1,1048576] f32[1,1048576,3] strides:is=1048576", SYN_TOO_LARGE,
         "over 1099511627776"},
        {"MaxPool@12 f32[1,1,4,4] kernel_shape:is=2", SYN_INVALID,
         "kernel_shape has 1 entries: must have 2"},
        {"MaxPool@12 f32[1,1,4] kernel_shape:is=0", SYN_INVALID, "side 0 = 0"},
        {"AveragePool@19 i64[1,1,4] kernel_shape:is=2", SYN_UNSUPPORTED, "holds i64"},
        {"MaxUnpool@11 f32[1,1,2] i64[1,1,2]=0,4 kernel_shape:is=2 strides:is=2", SYN_INVALID,
         "I[1] = 4: must be in [0, 4)"},
        {"MaxUnpool@11 f32[1,1,2] i64[1,1,2]=0,-1 kernel_shape:is=2", SYN_INVALID, "I[1] = -1"},
        {"MaxUnpool@11 f32[1,1,2] i64[1,1,2]=0,1 i64[3]=1,1,1 kernel_shape:is=2", SYN_INVALID,
         "output_shape[2] = 1"},
        {"Resize@13 f32[4]", SYN_INVALID, "neither scales nor sizes"},
        {"Resize@13 f32[4] - f32[2]=1,1", SYN_INVALID, "scales has 2 entries: must have 1"},
        {"Resize@13 f32[4] - f32[1]=0", SYN_INVALID, "scale 0 of a length 4"},
        {"Resize@13 f32[4] - f32[1]=nan", SYN_INVALID, "scale nan"},
        {"Resize@13 f32[4] - f32[1]=1e30", SYN_INVALID, "scale 1e+30"},
        {"Resize@13 f32[4] - - i64[1]=-3", SYN_INVALID, "sizes[0] = -3"},
        {"Resize@13 f32[4] - - i64[1]=4611686018427387904", SYN_INVALID,
         "sizes[0] = 4611686018427387904"},
        {"Resize@13 f32[0] - - i64[1]=3", SYN_INVALID, "sizes[0] = 3 of a length 0"},
        {"Resize@18 f32[4,4] - - i64[2]=2,2 axes:is=1,1", SYN_INVALID, "axes names 1 twice"},
        {"Resize@18 f32[4,4] - - i64[1]=2 axes:is=2", SYN_INVALID, "axes = 2: must be in [-2, 2)"},
        {"Resize@13 f32[4] - - i64[1]=3 mode:s=lanczos", SYN_UNSUPPORTED, "mode = 'lanczos'"},
        {"Resize@13 f32[4] - - i64[1]=3 coordinate_transformation_mode:s=tf_crop_and_resize",
         SYN_INVALID, "operand roi is missing"},
        {"Resize@13 bool[4] - - i64[1]=3 mode:s=linear", SYN_UNSUPPORTED, "only mode nearest"},
        {"GridSample@16 f32[1,1,2,2] f32[1,1,1,3]", SYN_INVALID, "3 coordinates"},
        {"GridSample@16 f32[1,1,2,2] f32[1,1,1,2] mode:s=area", SYN_UNSUPPORTED, "mode = 'area'"},
        {"GridSample@16 f32[1,1,0,2] f32[1,1,1,2]", SYN_INVALID, "dimension 2 = 0"},
        {"AffineGrid@20 f32[1,2,3] i64[4]=2,1,2,2", SYN_INVALID, "of one n"},
        {"AffineGrid@20 f32[1,2,3] i64[4]=1,1,-2,2", SYN_INVALID, "negative"},
        {"DeformConv@19 f32[1,1,2,2] f32[1,1,1,1] f32[1,2,2,3]", SYN_INVALID,
         "offset has shape [1, 2, 2, 3]: must be [1, 2, 2, 2]"},
        {"Col2Im@18 f32[1,5,4] i64[2]=3,3 i64[2]=2,2", SYN_INVALID, "must be [.., channels*4, 4]"},
        {"Col2Im@18 f32[1,4,4] i64[2]=1,3 i64[2]=2,2", SYN_INVALID, "image_shape[0] = 1"},
        {"Col2Im@18 f32[1,4,4] i64[2]=-1,3 i64[2]=2,2", SYN_INVALID, "image_shape[0] = -1"},
        {"RoiAlign@16 f32[1,1,2,2] f32[1,4] i64[1]=1", SYN_INVALID,
         "batch index 1: must be in [0, 1)"},
        {"RoiAlign@16 f32[1,1,2,2] f32[1,4]=0,0,nan,1 i64[1]=0", SYN_INVALID, "corner 2 = nan"},
        {"RoiAlign@16 f32[1,1,2,2] f32[1,4]=0,0,1e9,1 i64[1]=0", SYN_INVALID, "at most 4096"},
        {"RoiAlign@16 f32[1,1,2,2] f32[1,5] i64[1]=0", SYN_INVALID, "rows of 5: must have 4"},
        {"MaxRoiPool@1 f32[1,1,2,2] f32[1,5]=-1,0,0,1,1 pooled_shape:is=1,1", SYN_INVALID,
         "batch index -1"},
        {"MaxRoiPool@1 f32[1,1,2,2] f32[1,5]", SYN_INVALID, "pooled_shape has 0 entries"},
    };
    LINES_REFUSE(wrong);
}

/* A38: sizes past 2^31 plan in 64 bits, and nothing is allocated for it. */
static void test_A38_large(void)
{
    static const struct vector large[] = {
        {"MaxPool@12 f32[8,512,1024,1024] kernel_shape:is=2,2 strides:is=2,2",
         "[8, 512, 512, 512]"},
        {"Resize@13 u8[1,1,32768,32769] - f32[4]=1,1,2,2", "[1, 1, 65536, 65538]"},
    };
    for (size_t i = 0; i < 2; i++) {
        struct op_line l;
        char text[192];
        const bool parsed = line_parse(&l, large[i].call);
        syn_status st =
            parsed ? syn_attr_fill(l.c.op, l.given, l.n_given, l.filled, &l.err) : SYN_INVALID;
        if (st == SYN_OK) st = l.c.op->shape(&l.c, &l.err);
        T_CHECK(st == SYN_OK, "%s: %s", large[i].call, l.err.text);
        T_CHECK(!strcmp(syn_shape_text(&l.c.out[0].shape, text, sizeof text), large[i].want),
                "%s: %s", large[i].call, text);
        line_free(&l);
    }
}

int main(void)
{
    LINES_EXPECT(vectors, 2e-6);
    test_A32_coordinates();
    test_A33_auto_pad();
    test_A35_asymmetric();
    test_special_values();
    test_empty();
    test_refusals();
    test_A38_large();
    return t_report();
}
