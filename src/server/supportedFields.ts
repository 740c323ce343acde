/**
 * Which fields of a request are known here, and which of them are refused. A field that is ignored without a word changes what the client gets, so
 * only those are taken without effect that no answer depends on.
 */

import { ApiError } from './apiError';
import { isObject, type Body } from './requestFields';

type Endpoint = 'chat' | 'text';

/** Read by completionRequest.ts. */
const commonFields = [
  'model',
  'n',
  'stream',
  'stream_options',
  'temperature',
  'top_p',
  'top_k',
  'min_p',
  'repetition_penalty',
  'frequency_penalty',
  'presence_penalty',
  'seed',
  'stop',
  'max_tokens',
  'min_tokens',
  'ignore_eos',
] as const;

const ownFields: Readonly<Record<Endpoint, readonly string[]>> = {
  chat: ['messages', 'tools', 'tool_choice', 'chat_template_kwargs', 'max_completion_tokens', 'response_format', 'modalities'],
  text: ['prompt', 'best_of'],
};

/** Accounts, billing and hints about speed: the answer is the same without them. */
const fieldsWithoutEffect = ['user', 'metadata', 'store', 'service_tier', 'safety_identifier', 'prompt_cache_key', 'prompt_cache_retention', 'prediction', 'parallel_tool_calls', 'cache_prompt', 'cache_salt'] as const;

/** Known, and refused unless their value asks for nothing. */
const unsupportedFields: Readonly<Record<Endpoint, readonly string[]>> = {
  chat: ['logprobs', 'top_logprobs', 'functions', 'function_call', 'audio', 'logit_bias', 'web_search_options', 'reasoning_effort', 'verbosity', 'best_of', 'echo', 'suffix'],
  text: ['logprobs', 'suffix', 'logit_bias', 'echo'],
};

/** @throws {ApiError} `unsupported_parameter` | `unknown_parameter`, naming the field. */
export function assertFieldsSupported(body: Body, endpoint: Endpoint): void {
  const unsupported = unsupportedFields[endpoint];
  const known = new Set<string>([...commonFields, ...ownFields[endpoint], ...fieldsWithoutEffect]);
  for (const [name, value] of Object.entries(body)) {
    if (unsupported.includes(name)) {
      if (!asksForNothing(endpoint, name, value)) {
        throw unsupportedField(name);
      }
    } else if (!known.has(name) && (value ?? undefined) !== undefined) {
      throw new ApiError(400, 'unknown_parameter', `"${name}" is not known here, and the answer would not heed it. Leave it out.`, name);
    }
  }
}

export function unsupportedField(param: string, what = `"${param}"`, advice = ''): ApiError {
  return new ApiError(400, 'unsupported_parameter', `${what} is not supported${advice}.`, param);
}

function asksForNothing(endpoint: Endpoint, name: string, value: unknown): boolean {
  if (value === 0) {
    // In text completions it asks for the log-probability of each token that was taken.
    return !(endpoint === 'text' && name === 'logprobs');
  }
  if (isObject(value)) {
    // An empty object of another field may well ask for something: a search of the web with nothing set.
    return name === 'logit_bias' && Object.keys(value).length === 0;
  }
  return (value ?? false) === false || (Array.isArray(value) && value.length === 0);
}
