/* test_onnx_reduce.c - ONNX's reductions, products, norms, attention and losses: numbers of
 * onnxruntime 1.32 and of onnx 1.23's reference, the fault A36, and what must be refused. */
#include "tests/op_lines.h"

/* Computed by onnxruntime. */
static const struct vector by_runtime[] = {
    {"ReduceSum@13 f32[2,3,2] i64[1]=1",
     "f32[2,1,2]= -1.5 1 -0.25 -0.5"},
    {"ReduceSum@11 f32[2,3,2] axes:is=0,-1 keepdims:i=0",
     "f32[3]= 0.25 0.5 -2"},
    {"ReduceSum@13 i32[2,3] - noop_with_empty_axes:i=1",
     "i32[2,3]= -5 2 -2 5 1 -3"},
    {"ReduceMean@18 f32[2,3,2] i64[2]=0,2 keepdims:i=0",
     "f32[3]= 0.0625 0.125 -0.5"},
    {"ReduceMean@13 i32[3,2] axes:is=1",
     "i32[3,1]= -1 1 -1"},
    {"ReduceMax@20 bool[2,3] i64[1]=1",
     "bool[2,1]= 1 1"},
    {"ReduceMin@18 i8[2,5] i64[1]=-1",
     "i8[2,1]= -5 -4"},
    {"ReduceProd@18 f32[2,3] i64[1]=0",
     "f32[1,3]= -1.5625 0.125 0.375"},
    {"ReduceProd@18 i64[2,3]",
     "i64[1,1]= -300"},
    {"ReduceL1@18 f32[2,3] i64[1]=1",
     "f32[2,1]= 2.25 2.25"},
    {"ReduceL2@18 f32[2,3] i64[1]=1",
     "f32[2,1]= 1.436141 1.47902"},
    {"ReduceLogSum@18 f32[2,3]=1,2,3,4,5,6 i64[1]=1",
     "f32[2,1]= 1.791759 2.70805"},
    {"ReduceLogSumExp@18 f32[2,3]=1000,1001,999,-1000,-1001,-999 i64[1]=1",
     "f32[2,1]= 1001.408 -998.5924"},
    {"ReduceSumSquare@18 f32[2,3] i64[1]=0",
     "f32[1,3]= 3.125 0.3125 0.8125"},
    {"ArgMax@13 f32[2,5] axis:i=1 keepdims:i=0",
     "i64[2]= 3 1"},
    {"ArgMax@13 i32[2,4]=3,1,3,2,5,5,1,5 axis:i=1 select_last_index:i=1",
     "i64[2,1]= 2 3"},
    {"ArgMin@13 f32[3,2] axis:i=-2",
     "i64[1,2]= 0 2"},
    {"CumSum@14 f32[2,3] i64[]=1 exclusive:i=1 reverse:i=1",
     "f32[2,3]= 0 -0.5 0 -0.5 -0.75 0"},
    {"CumSum@14 i64[2,3] i32[]=-2",
     "i64[2,3]= -5 2 -2 0 3 -5"},
    {"CumProd@26 f32[2,3] i64[]=1 exclusive:i=1",
     "f32[2,3]= 1 -1.25 -0.625 1 1.25 0.3125"},
    {"MatMul@13 f32[2,1,2,3] f32[3,3,2]",
     "f32[2,3,2,2]= 0.25 -1.9375 -1.3125 1.375 0.875 -1.3125 -1.6875 1 -1.9375 0.6875 1.375 "
     "1.3125 -1.5 1.25 -1.6875 1.125 -1.5 1.25 -1.3125 1.5 1.25 1.25 1.125 1.1875"},
    {"MatMul@13 f32[3] f32[2,3,2]",
     "f32[2,2]= 0.25 -1.9375 0.875 -1.3125"},
    {"MatMul@13 f32[2,3] f32[3]",
     "f32[2]= 1.125 -0.5"},
    {"MatMul@13 i32[2,3] i32[3,2]",
     "i32[2,2]= 4 -31 -21 22"},
    {"Gemm@13 f32[3,2] f32[4,3] f32[4] transA:i=1 transB:i=1 alpha:f=0.5 beta:f=2",
     "f32[2,4]= 0.53125 -1.28125 2.40625 0.59375 1.0625 -1.0625 2.3125 0.1875"},
    {"Gemm@13 f32[2,3] f32[3,2] f32[2,1]",
     "f32[2,2]= 0.5 -1.6875 -2.0625 0.625"},
    {"MatMulInteger@10 u8[2,3] i8[3,2] u8[]=3 i8[]=-2",
     "i32[2,2]= 12 -25 3 44"},
    {"MatMulInteger@10 u8[2,3] u8[3,2] u8[]=3 u8[2]=1,4",
     "i32[2,2]= 14 -26 21 35"},
    {"QLinearMatMul@10 u8[2,3] f32[]=0.5 u8[]=4 u8[3,2] f32[]=0.25 u8[]=3 f32[]=0.75 u8[]=100",
     "u8[2,2]= 95 102 105 105"},
    {"Einsum@12 f32[2,3,2,2] f32[2,2,3] equation:s=btgi,gih->btgh",
     "f32[2,3,2,3]= 0.25 -1.0625 -0.3125 -1.0625 0.25 -0.5 0.4375 -0.4375 0.0625 -1 0.75 -0.25 "
     "-0.0625 -0.5 -0.25 1.8125 -0.8125 0.6875 0.125 0.125 0.125 -1.5625 1.0625 -0.4375 -0.375 "
     "0.0625 -0.1875 1.25 -0.5 0.5 -0.1875 0.6875 0.1875 0.625 -0.6875 0.0625"},
    {"Einsum@12 f32[3,3] equation:s=ii->i",
     "f32[3]= -1.25 0.25 -1"},
    {"Einsum@12 f32[3,3] equation:s=ii",
     "f32[]= -2"},
    {"Einsum@12 f32[2,3] f32[3] f32[2] equation:s=ij,j,i->",
     "f32[]= 0.65625"},
    {"Einsum@12 f32[2,3] equation:s=ba",
     "f32[3,2]= -1.25 1.25 0.5 0.25 -0.5 -0.75"},
    {"Softmax@11 f32[2,2,3] axis:i=1",
     "f32[2,2,3]= 0.03678566 0.2116869 0.07787525 0.4481411 0.1648619 0.0606493 0.3739828 "
     "0.1375806 0.05061308 0.2912581 0.1071479 0.03941751"},
    {"Softmax@13 f32[2,2,3] axis:i=1",
     "f32[2,2,3]= 0.07585818 0.5621765 0.5621765 0.9241418 0.4378235 0.4378235 0.5621765 "
     "0.5621765 0.5621765 0.4378235 0.4378235 0.4378235"},
    {"Softmax@13 f32[1,3]=1000,-inf,1001",
     "f32[1,3]= 0.2689414 0 0.7310586"},
    {"LogSoftmax@13 f32[2,3]",
     "f32[2,3]= -2.182856 -0.4328555 -1.432855 -0.4076059 -1.407606 -2.407606"},
    {"LogSoftmax@1 f32[2,2,2]",
     "f32[2,2,2]= -3.047095 -1.297095 -2.297095 -0.5470951 -1.450133 -2.450133 -0.7001327 "
     "-1.700133"},
    {"Hardmax@13 f32[2,4]=1,3,3,2,-1,-1,-1,-1",
     "f32[2,4]= 0 1 0 0 1 0 0 0"},
    {"Hardmax@11 f32[2,2,2]",
     "f32[2,2,2]= 0 0 0 1 0 0 1 0"},
    {"BatchNormalization@15 f32[2,2,3] f32[2] f32[2] f32[2] f32[2]=1,2 epsilon:f=0.001",
     "f32[2,2,3]= 1.374438 0.4998751 0.9996253 0.3545783 -0.5290843 -1.412747 0.25 0.7497502 "
     "1.2495 -0.08725303 -0.9709157 -1.854578"},
    {"BatchNormalization@15 f32[2,2,3] f32[2]=1,2 f32[2]=0.5,-0.5 f32[2]=0,1 f32[2]=1,2 "
     "training_mode:i=1 momentum:f=0.75 out=3",
     "f32[2,2,3]= -0.8085495 1.389814 0.1336061 2.42768 0.085536 -2.256608 2.017917 0.7617099 "
     "-0.4944976 1.256608 -1.085536 -3.42768 | f32[2]= -0.05208333 0.75 | f32[2]= 0.9084201 "
     "1.682292"},
    {"InstanceNormalization@6 f32[2,2,5] f32[2]=1,2 f32[2]=0.5,-0.5",
     "f32[2,2,5]= -1.01634 1.024887 -0.1415287 1.899699 0.7332832 -2.397351 2.029802 -0.5 "
     "-3.029802 1.397351 0.2667168 -0.899699 1.141529 -0.02488714 2.01634 0.4754168 -2.311488 "
     "2.565596 -0.2213095 -3.008214"},
    {"LayerNormalization@17 f32[2,2,3] f32[2,3] f32[2,3] axis:i=1 out=3",
     "f32[2,2,3]= 0.9465211 0.1206515 0.8756213 -1.194036 -0.601988 0.75 -0.4309799 -0.5608389 "
     "0.7351745 -0.7944766 -1.151329 0.75 | f32[2,1,1]= -0.08333334 -0.125 | f32[2,1,1]= "
     "1.194036 1.210631"},
    {"LayerNormalization@17 f32[2,3] f32[3] epsilon:f=0.01",
     "f32[2,3]= 0.5756642 1.583076 -0.02878321 -0.6078307 0 -0.3039154"},
    {"RMSNormalization@23 f32[2,4] f32[4]",
     "f32[2,4]= 0.6565285 0.6565285 -0.1313057 -0.9847928 -0.1961137 -1.470853 0.3922274 -0"},
    {"GroupNormalization@18 f32[1,4,3] f32[2]=1,2 f32[2]=0.5,-0.5 num_groups:i=2",
     "f32[1,4,3]= -0.8930421 1.196521 0.002484977 2.092048 0.898012 -0.2960241 2.22392 "
     "-0.1973422 -2.618604 1.618604 -0.8026577 -3.22392"},
    {"GroupNormalization@21 f32[1,4,3] f32[4]=1,2,3,4 f32[4]=0.5,-0.5,1,0 num_groups:i=2",
     "f32[1,4,3]= -0.8930421 1.196521 0.002484977 2.684096 0.2960241 -2.092048 5.085879 "
     "1.453987 -2.177906 4.237208 -0.6053155 -5.447839"},
    {"LpNormalization@1 f32[2,3] axis:i=0 p:i=1",
     "f32[2,3]= -0.5 0.6666667 -0.4 0.5 0.3333333 -0.6"},
    {"LpNormalization@1 f32[2,3]",
     "f32[2,3]= -0.8703883 0.3481553 -0.3481553 0.8451542 0.1690308 -0.5070925"},
    {"MeanVarianceNormalization@13 f32[2,2,2,2]",
     "f32[2,2,2,2]= -1.150308 0.8017296 -0.3137203 1.638317 0 -1.568929 1.176697 -0.3922323 "
     "-0.8714452 1.080592 -0.03485781 -1.150308 0.3922323 -1.176697 1.568929 0"},
    {"MeanVarianceNormalization@13 f32[2,3,2,1] axes:is=0,2",
     "f32[2,3,2,1]= -1.569614 0.5232046 -0.6868028 1.236245 1.341641 -0.4472136 1.121153 "
     "-0.07474351 -1.236245 0.6868028 0.4472136 -1.341641"},
    {"Attention@23 f32[1,2,3,4] f32[1,2,3,4] f32[1,2,3,2] is_causal:i=1",
     "f32[1,2,3,2]= 0.25 -0.75 0.6308589 -0.3691411 0.06950885 -0.3763584 -0.25 -1.25 "
     "0.2113159 -0.7886841 0.1844095 -0.8155904"},
    {"Attention@23 f32[1,2,8] f32[1,3,4] f32[1,3,4] q_num_heads:i=4 kv_num_heads:i=2 "
     "softcap:f=0.5",
     "f32[1,2,8]= 0.06020612 -0.3752059 -0.006470121 -0.3288989 0.8572971 -0.1427028 0.8545937 "
     "-0.1454064 0.03649078 -0.3656264 0.04090196 -0.2088233 0.857327 -0.142673 0.8521504 "
     "-0.1478497"},
    {"Attention@23 f32[1,1,2,2] f32[1,1,3,2] f32[1,1,3,2] f32[2,4]=0,-1,1,0,2,0,-inf,0 "
     "f32[1,1,1,2] f32[1,1,1,2] out=4",
     "f32[1,1,2,2]= 0.1129372 -0.7017212 -0.1984457 -1.120342 | f32[1,1,4,2]= -1 0.75 -0.5 "
     "1.25 0.25 -0.75 1 0 | f32[1,1,4,2]= -0.25 -1.25 0.25 -0.75 1 0 -1 0.75 | f32[1,1,2,4]= "
     "1.149048 0.8838835 -0.4861359 -0.8838835 1.016466 1.281631 -0.7513009 -0.3535534"},
    {"Attention@23 f32[1,1,2,2] f32[1,1,3,2] f32[1,1,3,2] bool[2,3]=1,0,1,0,0,0",
     "f32[1,1,2,2]= 0.06772467 -0.5312696 0 0"},
    {"Attention@24 f32[2,1,2,2] f32[2,1,3,2] f32[2,1,3,2] - - - i64[2]=3,2 is_causal:i=1",
     "f32[2,1,2,2]= 0.4019625 -0.5980375 0.1403116 -0.4554095 -0.25 -1.25 0.2221701 -0.7778299"},
    {"RotaryEmbedding@23 f32[1,2,2,4] f32[3,2] f32[3,2] i64[1,2]=2,0",
     "f32[1,2,2,4]= -1.75 -0.9375 0.75 0.375 -0.375 -0.9375 -0.4375 0.5625 -1.25 0.9375 0.75 "
     "0.5625 -0.5625 -0.4375 -0.5 0.6875"},
    {"RotaryEmbedding@23 f32[1,2,8] f32[1,2,1] f32[1,2,1] num_heads:i=2 "
     "rotary_embedding_dim:i=2 interleaved:i=1",
     "f32[1,2,8]= 0.5 -0.5625 -0.5 1.25 0.0625 0.4375 1 0 -0.6875 1.6875 -0.25 -1.25 0.25 -1 "
     "1.25 0.25"},
    {"Det@11 f32[2,3,3]",
     "f32[2]= 0.6874999 0.6875001"},
    {"NegativeLogLikelihoodLoss@13 f32[2,3,2] i64[2,2]=0,2,1,2 f32[3]=1,2,0.5 ignore_index:i=1",
     "f32[]= 1.125"},
    {"NegativeLogLikelihoodLoss@13 f32[2,3] i64[2]=0,2 reduction:s=none",
     "f32[2]= 1.25 0.75"},
    {"SoftmaxCrossEntropyLoss@13 f32[2,3,2] i64[2,2]=0,2,1,2 f32[3]=1,2,0.5 reduction:s=mean "
     "out=2",
     "f32[]= 2.301671 | f32[2,3,2]= -2.027976 -1.224806 -1.277976 -0.4748058 -0.5279757 "
     "-2.474806 -0.3519519 -1.224806 -2.351952 -0.4748058 -1.601952 -2.474806"},
    {"SoftmaxCrossEntropyLoss@13 f32[2,3] i64[2]=-1,2 reduction:s=sum ignore_index:i=-1",
     "f32[]= 2.407606"},
};

/* Computed by onnx's reference, as onnxruntime has no such type, opset or rank. */
static const struct vector by_reference[] = {
    {"Einsum@12 f32[2,1,2,3] f32[2,3,2] equation:s=...ij,...jk->...ik",
     "f32[2,2,2,2]= 0.25 -1.9375 -1.3125 1.375 0.875 -1.3125 -1.6875 1 -1.5 1.25 -1.6875 1.125 "
     "-1.5 1.25 -1.3125 1.5"},};

/* Written out by hand from the definitions: what the others leave open or get wrong. */
static void test_special_values(void)
{
    static const struct vector vectors[] = {
        /* NaN stays, wherever it stands */
        {"ReduceLogSumExp@18 f32[3,2]=nan,1,inf,nan,-inf,-inf i64[1]=1",
         "f32[3,1]= nan nan -inf"},
        {"ReduceLogSumExp@18 f32[2,2]=inf,1,-inf,0 i64[1]=1", "f32[2,1]= inf 0"},
        {"ReduceMax@18 f32[3]=nan,1,2", "f32[1]= nan"},
        {"ReduceMin@18 f32[3]=2,nan,1", "f32[1]= nan"},
        {"ArgMax@13 f32[4]=1,nan,3,nan", "i64[1]= 1"},
        {"ArgMin@13 f32[4]=1,nan,3,nan select_last_index:i=1", "i64[1]= 3"},
        {"Softmax@13 f32[3]=1,nan,2", "f32[3]= nan nan nan"},
        {"Det@11 f32[2,2]=0,1,nan,1", "f32[]= nan"},
        {"MatMul@13 f32[1,2]=0,1 f32[2,1]=inf,1", "f32[1,1]= nan"},
        /* whole numbers stay whole, unsigned ones unsigned */
        {"Gemm@13 i64[1,1]=94906267 i64[1,1]=94906267", "i64[1,1]= 9007199515875289"},
        {"Gemm@13 i32[1,2]=3,5 i32[1,2]=7,11 i32[1]=4 transB:i=1", "i32[1,1]= 80"},
        {"Gemm@13 i32[1,1]=3 i32[1,1]=7 i32[1]=4 beta:f=0", "i32[1,1]= 21"},
        {"MatMul@13 u8[1,2]=200,100 u8[2,1]=2,1", "u8[1,1]= 244"},
        {"ReduceMean@18 u64[2]=13835058055282163712,2", "u64[1]= 6917529027641081857"},
        {"ReduceMean@18 i32[2]=-3,0", "i32[1]= -1"},
        {"ReduceL2@18 i64[2]=3,-4", "i64[1]= 5"},
        {"ReduceL2@18 i8[2]=-128,-128", "i8[1]= 127"},
        {"ReduceL1@18 i8[2]=-3,4", "i8[1]= 7"},
        {"MatMulInteger@10 u8[1,1]=255 u8[1,1]=255", "i32[1,1]= 65025"},
        /* quotients of nothing, and what does not saturate to a number */
        {"QLinearMatMul@10 u8[1,1]=1 f32[]=1 u8[]=0 u8[1,1]=0 f32[]=1 u8[]=0 f32[]=0 u8[]=7",
         "u8[1,1]= 0"},
        {"QLinearMatMul@10 i8[1,1]=9 f32[]=1 i8[]=0 i8[1,1]=9 f32[]=1 i8[]=0 f32[]=0 i8[]=7",
         "i8[1,1]= 127"},
        {"LpNormalization@1 f32[2]=0,0", "f32[2]= 0 0"},
        /* a row that sees no key is zero, not NaN */
        {"Attention@24 f32[1,1,1,2] f32[1,1,2,2] f32[1,1,2,2] bool[1,2]=0,0",
         "f32[1,1,1,2]= 0 0"},
        /* opset 23 repeats a mask of one key, opset 24 pads it */
        {"Attention@23 f32[1,1,1,1]=0 f32[1,1,2,1]=0,0 f32[1,1,2,1]=1,3 bool[1,1]=1",
         "f32[1,1,1,1]= 2"},
        {"Attention@24 f32[1,1,1,1]=0 f32[1,1,2,1]=0,0 f32[1,1,2,1]=1,3 bool[1,1]=1",
         "f32[1,1,1,1]= 1"},
        /* scores and norms that would overflow in float */
        {"LogSoftmax@13 f32[2]=3e38,-3e38", "f32[2]= 0 -inf"},
        {"RMSNormalization@23 f32[2]=1e30,1e30 f32[1]=1 axis:i=0 epsilon:f=0", "f32[2]= 1 1"},
        {"LRN@13 f32[1,3,1]=1,2,4 size:i=2 alpha:f=2 beta:f=1 bias:f=1",
         "f32[1,3,1]= 0.1666667 0.09523810 0.2352941"},
    };
    LINES_EXPECT(vectors, 2e-6);
}

/* Of nothing: what each sum begins with, and no walk over the dimensions beside a 0. */
static void test_empty(void)
{
    static const struct vector vectors[] = {
        {"ReduceSum@13 f32[2,0] i64[1]=1", "f32[2,1]= 0 0"},
        {"ReduceProd@18 f32[2,0] i64[1]=1", "f32[2,1]= 1 1"},
        {"ReduceMax@18 f32[0] i64[1]=0", "f32[1]= -inf"},
        {"ReduceMin@18 i8[0] i64[1]=0", "i8[1]= 127"},
        {"ReduceMax@18 u64[0] i64[1]=0", "u64[1]= 0"},
        {"ReduceMean@18 f32[0] i64[1]=0", "f32[1]= nan"},
        {"ReduceLogSum@18 f32[0] i64[1]=0", "f32[1]= -inf"},
        {"ReduceLogSumExp@18 f32[0] i64[1]=0", "f32[1]= -inf"},
        {"MatMul@13 f32[2,0] f32[0,1]", "f32[2,1]= 0 0"},
        {"MatMul@13 f32[524288,524288,0,3] f32[3,2]", "f32[524288,524288,0,2]= "},
        {"Gemm@13 f32[1,0] f32[0,2] f32[2]=1,2", "f32[1,2]= 1 2"},
        {"Einsum@12 f32[2,0] equation:s=ij->i", "f32[2]= 0 0"},
        {"Einsum@12 f32[1048576,1048576,0] equation:s=ijk->", "f32[]= 0"},
        {"Softmax@13 f32[1048576,0,1048576] axis:i=1", "f32[1048576,0,1048576]= "},
        {"CumSum@14 f32[1048576,1048576,0] i64[]=2", "f32[1048576,1048576,0]= "},
        {"LayerNormalization@17 f32[2,0] f32[0] out=2", "f32[2,0]= | f32[2,1]= nan nan"},
        {"LpNormalization@1 f32[1048576,0,1048576] axis:i=1", "f32[1048576,0,1048576]= "},
        {"MeanVarianceNormalization@13 f32[0,2,3,4]", "f32[0,2,3,4]= "},
        {"LRN@13 f32[1048576,1048576,0] size:i=1", "f32[1048576,1048576,0]= "},
        {"InstanceNormalization@6 f32[1048576,2,0] f32[2] f32[2]", "f32[1048576,2,0]= "},
        {"Det@11 f32[0,1048576,1048576]", "f32[0]= "},
        {"Det@11 f32[2,0,0]", "f32[2]= 1 1"},
        {"Attention@23 f32[524288,524288,0,2] f32[524288,524288,0,2] f32[524288,524288,0,2]",
         "f32[524288,524288,0,2]= "},
        {"RotaryEmbedding@23 f32[0,524288,524288,2] f32[0,524288,1] f32[0,524288,1]",
         "f32[0,524288,524288,2]= "},
        {"SoftmaxCrossEntropyLoss@13 f32[0,3] i64[0] reduction:s=sum", "f32[]= 0"},
    };
    LINES_EXPECT(vectors, 0);
}

/* A36: instance and group norms of large numbers close together: the variance must not be taken
 * from the difference of two large sums. */
static void test_A36_norms(void)
{
    line_expect("InstanceNormalization@6 f32[1,1,4]=100000,100001,100002,100003 f32[1]=1 f32[1]=0",
                "f32[1,1,4]= -1.341635 -0.4472118 0.4472118 1.341635", 1e-5);
    line_expect(
        "GroupNormalization@21 f32[1,2,2]=100000,100001,100002,100003 f32[2]=1,2 f32[2]=0,1 "
        "num_groups:i=1",
        "f32[1,2,2]= -1.341635 -0.4472118 1.894424 3.683271", 1e-5);
    line_expect("InstanceNormalization@6 f32[2,1,1,2]=1,3,10,30 f32[1]=1 f32[1]=0",
                "f32[2,1,1,2]= -1 1 -1 1", 1e-3);
    line_expect("GroupNormalization@21 f16[2,2,1,2]=299,301,301,299,299,301,299,301 f16[2]=1,1 "
                "f16[2]=0,0 num_groups:i=1",
                "f16[2,2,1,2]= -1 1 1 -1 -1 1 -1 1", 2e-2);
    line_expect("InstanceNormalization@6 f32[1,1,3]=7,7,7 f32[1]=5 f32[1]=2", "f32[1,1,3]= 2 2 2",
                0);
}

static void test_refusals(void)
{
    static const struct refusal wrong[] = {
        {"ReduceSum@13 f32[2,3] i64[1]=2", SYN_INVALID, "axes = 2: must be in [-2, 2)"},
        {"ReduceSum@13 f32[2] i64[1]=-9223372036854775808", SYN_INVALID,
         "axes = -9223372036854775808"},
        {"ReduceSum@13 bool[2]", SYN_UNSUPPORTED, "data [2] holds bool"},
        {"ArgMax@13 f32[2,0] axis:i=1", SYN_INVALID, "axis 1 of data is empty"},
        {"ArgMax@13 f32[2] axis:i=1", SYN_INVALID, "axis = 1: must be in [-1, 1)"},
        {"CumSum@14 f32[2] i64[]=1", SYN_INVALID, "axis = 1"},
        {"CumSum@14 f32[2] i64[2]=0,0", SYN_INVALID, "axis has 2 elements"},
        {"MatMul@13 f32[2,3] f32[2,3]", SYN_INVALID, "[2, 3] and [2, 3] do not fit"},
        {"MatMul@13 f32[2,2,3] f32[3,3,2]", SYN_INVALID, "do not fit"},
        {"MatMul@13 f32[2,3] f64[3,2]", SYN_INVALID, "b holds f64"},
        {"MatMul@13 f32[1048576,0] f32[0,1048577]", SYN_TOO_LARGE, "over 1099511627776"},
        {"Gemm@13 f32[2,3] f32[3,2] f32[3]", SYN_INVALID, "c does not broadcast to [2, 2]"},
        {"Gemm@13 f32[2,3] f32[3,2] i32[2]", SYN_INVALID, "c holds i32"},
        {"Gemm@13 f32[2,3] f32[2,3]", SYN_INVALID, "a has 3 columns, b 2 rows"},
        {"MatMulInteger@10 u8[2,3] u8[3,2] u8[3]", SYN_INVALID, "a_zero_point has 3 elements"},
        {"Einsum@12 f32[2,3] equation:s=ijk", SYN_INVALID,
         "letters are not the operand's dimensions"},
        {"Einsum@12 f32[2] f32[3] equation:s=i,i->", SYN_INVALID,
         "dimensions of one letter differ"},
        {"Einsum@12 f32[2] equation:s=i->j", SYN_INVALID, "that no operand has"},
        {"Einsum@12 f32[2] equation:s=i->ii", SYN_INVALID, "twice"},
        {"Einsum@12 f32[2] equation:s=i,j->ij", SYN_INVALID, "more terms than operands"},
        {"Einsum@12 f32[2] f32[2] equation:s=i", SYN_INVALID, "fewer terms than operands"},
        {"Einsum@12 f32[2] equation:s=..i", SYN_INVALID, "a stray dot"},
        {"Einsum@12 f32[2]", SYN_INVALID, "is missing"},
        {"Einsum@12 f32[1,1,1,1,1] f32[1,1,1,1,1] equation:s=abcde,fghij", SYN_INVALID,
         "more dimensions than a tensor can have"},
        {"Einsum@12 f32[1048576] f32[1048576] f32[1048576] f32[1048576] equation:s=a,b,c,d->",
         SYN_TOO_LARGE, "multiply to over 72057594037927936"},
        {"Softmax@13 f32[2] axis:i=1", SYN_INVALID, "axis = 1"},
        {"BatchNormalization@15 f32[1,2,3] f32[3] f32[2] f32[2] f32[2]", SYN_INVALID,
         "scale has 3 elements: must have 2"},
        {"BatchNormalization@9 f32[1,2,3] f32[2] f32[2] f32[2] f32[2] out=2", SYN_UNSUPPORTED,
         "output 1: beside y"},
        {"BatchNormalization@9 f32[1,2,3] f32[2] f32[2] f32[2] f32[2] training_mode:i=1 out=5",
         SYN_UNSUPPORTED, "output 3: beside y"},
        {"LayerNormalization@17 f32[2,3] f32[2]", SYN_INVALID, "scale does not broadcast"},
        {"GroupNormalization@21 f32[1,4,1] f32[4] f32[4] num_groups:i=3", SYN_INVALID,
         "num_groups = 3: must divide the 4 channels"},
        {"InstanceNormalization@6 f32[1,2,3] f32[2] f32[1]", SYN_INVALID, "bias has 1 elements"},
        {"LpNormalization@1 f32[2] axis:i=1", SYN_INVALID, "axis = 1"},
        {"LpNormalization@1 f32[2] p:i=3", SYN_INVALID, "p"},
        {"MeanVarianceNormalization@13 f32[2,3]", SYN_INVALID, "axes = 2: must be in [-2, 2)"},
        {"LRN@13 f32[3] size:i=1", SYN_INVALID, "x has rank 1: must be at least 2"},
        {"Attention@23 f32[1,2,1,4] f32[1,3,2,4] f32[1,3,2,4]", SYN_INVALID, "do not fit together"},
        {"Attention@23 f32[1,2,5] f32[1,2,4] f32[1,2,4] q_num_heads:i=2 kv_num_heads:i=2",
         SYN_INVALID, "q has 5 numbers a step"},
        {"Attention@23 f32[1,2,4] f32[1,2,4] f32[1,2,4]", SYN_INVALID, "multiple of 0 heads"},
        {"Attention@23 f32[1,1,2,2] f32[1,1,2,2] f32[1,1,2,2] f32[2,3]", SYN_INVALID,
         "attn_mask does not broadcast"},
        {"Attention@23 f32[1,1,2,2] f32[1,1,2,2] f32[1,1,2,2] - f32[1,1,1,2]", SYN_INVALID,
         "go together"},
        {"Attention@24 f32[1,1,1,2] f32[1,1,2,2] f32[1,1,2,2] - - - i64[1]=3", SYN_INVALID,
         "nonpad_kv_seqlen[0] = 3: must be in [0, 2]"},
        {"Attention@24 f32[1,1,1,2] f32[1,1,2,2] f32[1,1,2,2] - - - i64[1]=-9223372036854775808",
         SYN_INVALID, "nonpad_kv_seqlen[0] = -9223372036854775808"},
        {"RotaryEmbedding@23 f32[1,1,1,2] f32[3,1] f32[3,1] i64[1,1]=3", SYN_INVALID,
         "position_ids holds 3: must be in [0, 3)"},
        {"RotaryEmbedding@23 f32[1,1,1,3] f32[1,1,1] f32[1,1,1]", SYN_INVALID, "must be even"},
        {"Det@11 f32[2,3]", SYN_INVALID, "2 x 3: must be square"},
        {"NegativeLogLikelihoodLoss@13 f32[1,3] i64[1]=3", SYN_INVALID, "target 3 of element 0"},
        {"NegativeLogLikelihoodLoss@13 f32[1,3] i64[1]=-1", SYN_INVALID, "target -1 of element 0"},
        {"NegativeLogLikelihoodLoss@13 f32[1,3] i64[1]=0 reduction:s=max", SYN_INVALID,
         "reduction = max"},
        {"SoftmaxCrossEntropyLoss@13 f32[2,3] i64[3]", SYN_INVALID, "without its channels"},
        {"SwiGLU@28 f32[2] f32[3]", SYN_INVALID, "one shape"},
    };
    LINES_REFUSE(wrong);
}

int main(void)
{
    LINES_EXPECT(by_runtime, 2e-6);
    LINES_EXPECT(by_reference, 2e-6);
    test_special_values();
    test_empty();
    test_A36_norms();
    test_refusals();
    return t_report();
}
