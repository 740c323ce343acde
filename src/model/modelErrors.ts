/** Why a checkpoint's description or its tensors cannot become a graph. */

import { GlmError } from '../common/errors';

const supported =
  'Supported are the model types glm (glm-4-9b-chat-hf, glm-edge), glm4 (GLM-4-0414, GLM-Z1) and chatglm (glm-4-9b-chat and glm-4-9b as first published), with unquantised weights in bf16, f16 or f32.';

/**
 * The checkpoint is of a kind that this program cannot run.
 *
 * Cause: another architecture, a quantised checkpoint, a rope scaling or a layer option that is not implemented. Handled by: the load request.
 */
export class UnsupportedModelError extends GlmError {
  constructor(what: string, fields: { readonly modelType?: string } = {}) {
    super('unsupported-model', `${what} ${supported}`, { fields, next: [{ label: 'Choose another checkpoint', command: 'glm.chooseModel' }] });
  }
}

/**
 * A value in config.json is missing or impossible.
 *
 * Cause: a damaged, hand-edited or hostile file. Handled by: the load request.
 */
export class InvalidConfigError extends GlmError {
  constructor(key: string, problem: string) {
    super('config-invalid', `config.json: ${key} ${problem} Download the file again from the place the checkpoint came from.`, { fields: { key } });
  }
}

/**
 * A tensor that the architecture needs is absent.
 *
 * Cause: an incomplete download or a config.json of another model. Handled by: the load request.
 */
export class MissingTensorError extends GlmError {
  constructor(tensor: string, expectedShape: readonly number[]) {
    super('tensor-missing', `The checkpoint has no tensor "${tensor}" (expected with shape [${expectedShape.join(', ')}]). The download may be incomplete, or config.json belongs to another model; download the checkpoint again.`, {
      fields: { tensor, expectedShape },
    });
  }
}

/**
 * A tensor has another shape than config.json implies.
 *
 * Cause: config.json and weights of different models. Handled by: the load request.
 */
export class TensorShapeError extends GlmError {
  constructor(tensor: string, expectedShape: readonly number[], shape: readonly number[]) {
    super(
      'tensor-shape',
      `The tensor "${tensor}" has the shape [${shape.join(', ')}]; config.json implies [${expectedShape.join(', ')}]. config.json and the weights belong to different models; download both again.`,
      { fields: { tensor, expectedShape, shape } },
    );
  }
}

/**
 * A tensor's element type is not one of bf16, f16, f32.
 *
 * Cause: a quantised or otherwise converted checkpoint. Handled by: the load request.
 */
export class TensorDtypeError extends GlmError {
  constructor(tensor: string, dtype: string) {
    super('tensor-dtype', `The tensor "${tensor}" is ${dtype}; weights must be bf16, f16 or f32. Use the original checkpoint; GLM Local quantises it itself.`, { fields: { tensor, dtype } });
  }
}
