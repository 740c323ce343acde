/** ONNX element types against our dtype names. */

import type { DType } from '../common/dtype';

/** ONNXTensorElementDataType; the same numbers as TensorProto.DataType for these types. */
export const elementTypes: Readonly<Record<DType, number>> = { f32: 1, u8: 2, i8: 3, i16: 5, i32: 6, i64: 7, bool: 9, f16: 10, f64: 11, bf16: 16 };
