/** Element types of tensors, spelled one way everywhere, and the description of a tensor in a checkpoint. */

export type DType = 'f64' | 'f32' | 'f16' | 'bf16' | 'i64' | 'i32' | 'i16' | 'i8' | 'u8' | 'bool';

/** Bytes of one element. */
export const dtypeBytes: Readonly<Record<DType, number>> = {
  f64: 8,
  f32: 4,
  f16: 2,
  bf16: 2,
  i64: 8,
  i32: 4,
  i16: 2,
  i8: 1,
  u8: 1,
  bool: 1,
};

/** ONNX's numbers for element types: TensorProto.DataType, and the C API's ONNXTensorElementDataType, which agree for these. */
export const onnxElementTypes: Readonly<Record<DType, number>> = { f32: 1, u8: 2, i8: 3, i16: 5, i32: 6, i64: 7, bool: 9, f16: 10, f64: 11, bf16: 16 };

/** A tensor that lies in a file. `fileOffset` counts from the start of the file; `byteLength` is the product of `shape` times the dtype's size. */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Absolute path of the file that holds the bytes. */
  readonly file: string;
  readonly fileOffset: number;
  readonly byteLength: number;
}

/** How the weights are held by the engine. `bf16` and `f16` need a GPU provider; the CPU takes `f32`, `int8` and `int4`. */
export type WeightFormat = 'f32' | 'bf16' | 'f16' | 'int8' | 'int4';

export const weightFormats: readonly WeightFormat[] = ['f32', 'bf16', 'f16', 'int8', 'int4'];

/** How keys and values are held. */
export type KvFormat = 'f32' | 'f16' | 'bf16' | 'int8';
