/** The published models' shapes under which random checkpoints are made; sources: the models' own config.json. */

export type Architecture = 'glm' | 'glm4';

export const shapeNames = ['tiny', 'edge-1.5b', '9b', '32b'] as const;
export type ShapeName = (typeof shapeNames)[number];

export interface ModelShape {
  readonly architecture: Architecture;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numLayers: number;
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly partialRotaryFactor: number;
  readonly ropeTheta: number;
  readonly normEpsilon: number;
  readonly qkvBias: boolean;
  readonly tiedEmbeddings: boolean;
  readonly maxContextTokens: number;
  readonly vocabSize: number;
  /** Id of `<|endoftext|>`, the first special token. */
  readonly firstSpecialId: number;
}

const of9b = { hiddenSize: 4096, intermediateSize: 13_696, numLayers: 40, numHeads: 32, numKvHeads: 2, headDim: 128, qkvBias: true, vocabSize: 151_552, firstSpecialId: 151_329 };
const of32b = { hiddenSize: 6144, intermediateSize: 23_040, numLayers: 61, numHeads: 48, numKvHeads: 2, headDim: 128, qkvBias: false, vocabSize: 151_552, firstSpecialId: 151_329 };
const ofEdge = { hiddenSize: 2048, intermediateSize: 6144, numLayers: 28, numHeads: 16, numKvHeads: 4, headDim: 128, qkvBias: false, vocabSize: 59_264, firstSpecialId: 59_246 };
const ofTiny = { hiddenSize: 128, intermediateSize: 256, numLayers: 3, numHeads: 8, numKvHeads: 2, headDim: 32, qkvBias: true, vocabSize: 1024, firstSpecialId: 800 };

const sizes = { tiny: ofTiny, 'edge-1.5b': ofEdge, '9b': of9b, '32b': of32b } as const;

/** The architecture that a model of this size was published in. */
export function defaultArchitecture(name: ShapeName): Architecture {
  return name === 'edge-1.5b' ? 'glm' : 'glm4';
}

export function shapeOf(name: ShapeName, architecture: Architecture = defaultArchitecture(name)): ModelShape {
  const isEdge = name === 'edge-1.5b';
  const isChat2024 = architecture === 'glm' && !isEdge;
  return {
    architecture,
    ...sizes[name],
    partialRotaryFactor: isEdge ? 1 : 0.5,
    ropeTheta: isChat2024 ? 5_000_000 : 10_000,
    normEpsilon: isChat2024 ? 1.5625e-7 : 1e-5,
    tiedEmbeddings: isEdge,
    maxContextTokens: isEdge ? 8192 : isChat2024 ? 131_072 : 32_768,
  };
}
