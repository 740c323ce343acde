/** Module names of device maps, in our spelling and in those of the checkpoints people copy maps from. */

export type ModuleTarget =
  | { readonly kind: 'all' }
  | { readonly kind: 'embedding' }
  | { readonly kind: 'head' }
  | { readonly kind: 'all-layers' }
  /** Layers `first` to `last`, both included, as the name writes them. */
  | { readonly kind: 'layers'; readonly first: number; readonly last: number }
  /** A part inside a layer. */
  | { readonly kind: 'inside-layer'; readonly layerIndex: number }
  /** Holds no weights that could be placed, such as rotary tables. */
  | { readonly kind: 'weightless' };

const everything = ['', 'model', 'transformer'];
const allLayers = ['model.layers', 'transformer.layers', 'transformer.encoder', 'transformer.encoder.layers', 'layers', 'encoder.layers'];
const embeddings = ['model.embed_tokens', 'embed_tokens', 'transformer.word_embeddings', 'transformer.embedding', 'transformer.embedding.word_embeddings'];
const heads = ['lm_head', 'model.norm', 'norm', 'transformer.final_layernorm', 'transformer.encoder.final_layernorm', 'transformer.output_layer'];
const weightless = ['model.rotary_emb', 'rotary_emb', 'transformer.rotary_pos_emb'];

const layerPattern = /^(?:(?:model|transformer|transformer\.encoder|encoder)\.)?layers\.(\d{1,4})(?:-(\d{1,4}))?(\..+)?$/;

/** What a key of a device map names, or undefined when no GLM checkpoint has such a module. A trailing `.weight` is allowed. */
export function parseModuleName(name: string): ModuleTarget | undefined {
  const module = name.replace(/\.weight$/, '');
  const layer = layerPattern.exec(module);
  if (layer !== null) {
    const first = Number(layer[1]);
    const last = layer[2] === undefined ? first : Number(layer[2]);
    if (layer[3] !== undefined) {
      return layer[2] === undefined ? { kind: 'inside-layer', layerIndex: first } : undefined;
    }
    return { kind: 'layers', first, last };
  }
  if (everything.includes(module)) {
    return { kind: 'all' };
  }
  if (allLayers.includes(module)) {
    return { kind: 'all-layers' };
  }
  if (embeddings.includes(module)) {
    return { kind: 'embedding' };
  }
  if (heads.includes(module)) {
    return { kind: 'head' };
  }
  return weightless.includes(module) ? { kind: 'weightless' } : undefined;
}
