/** Finds a checkpoint's chat template and renders conversations with it, as transformers' apply_chat_template does. */

import { Template } from '@huggingface/jinja';
import type { ChatInput } from '../common/chat';
import { isRecord } from '../common/checkShape';
import type { TokenizerFiles } from '../common/tokenizerFiles';
import { usePythonLoops } from './pythonLoops';
import { pythonMethodVariables, usePythonMethods } from './pythonMethods';
import { TemplateError } from './tokenizerError';

/** What a template may read: plain JSON. */
export interface TemplateVariables {
  readonly messages: readonly Readonly<Record<string, unknown>>[];
  readonly tools: readonly unknown[] | null;
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly addGenerationPrompt: boolean;
}

export interface ChatTemplate {
  /** The template's source, of the default one where there are several. */
  readonly source: string;
  /** @throws {TemplateError} `template-failed` with the template's own message. */
  render(variables: TemplateVariables): string;
}

/** Names that the engine or this folder sets; a caller's variable of that name is refused. */
const reservedNames = ['messages', 'tools', 'documents', 'add_generation_prompt', 'true', 'false', 'none', 'True', 'False', 'None', 'range', 'namespace', 'raise_exception', 'strftime_now', ...Object.keys(pythonMethodVariables)];

/** The checkpoint's template; undefined when it has none, or several and none of them is the default one. */
export function findChatTemplate(files: TokenizerFiles, config: Readonly<Record<string, unknown>>, namedTokens: Readonly<Record<string, string>>): ChatTemplate | undefined {
  const sources = templatesByName(files, config);
  return sources.has('default') ? createChatTemplate(sources, namedTokens) : undefined;
}

/**
 * As transformers reads them: `chat_template.jinja` is the default, `additional_chat_templates/NAME.jinja` has that name,
 * and where such files are, those of tokenizer_config.json count no more. There it is one text, a list of `{"name", "template"}`, or a map.
 */
export function templatesByName({ chatTemplateJinja, additionalChatTemplates = {} }: TokenizerFiles, { chat_template: declared }: Readonly<Record<string, unknown>>): ReadonlyMap<string, string> {
  const files = new Map([...(chatTemplateJinja === undefined ? [] : [['default', chatTemplateJinja] as const]), ...Object.entries(additionalChatTemplates)]);
  if (files.size > 0) {
    return files;
  }
  const entries: readonly (readonly [unknown, unknown])[] =
    typeof declared === 'string'
      ? [['default', declared]]
      : Array.isArray(declared)
        ? (declared as readonly unknown[]).filter(isRecord).map(({ name, template }) => [name, template] as const)
        : isRecord(declared)
          ? Object.entries(declared)
          : [];
  return new Map(entries.filter((entry): entry is readonly [string, string] => entry.every((part) => typeof part === 'string')));
}

/** @param sources  By name; `default` must be there, `tool_use` is taken when there are tools. */
export function createChatTemplate(sources: ReadonlyMap<string, string>, namedTokens: Readonly<Record<string, string>>): ChatTemplate {
  const parsed = new Map<string, Template>();
  const templateOf = (name: string): Template => {
    let template = parsed.get(name);
    if (template === undefined) {
      template = parseTemplate(sources.get(name)!);
      parsed.set(name, template);
    }
    return template;
  };
  return {
    source: sources.get('default')!,
    render: ({ messages, tools, kwargs, addGenerationPrompt }) => {
      const clash = Object.keys(kwargs).find((name) => reservedNames.includes(name));
      if (clash !== undefined) {
        throw new TemplateError('template-failed', `The template variable ${clash} cannot be set from outside; it has a meaning of its own. Use another name.`, { fields: { variable: clash } });
      }
      const template = templateOf(tools !== null && sources.has('tool_use') ? 'tool_use' : 'default');
      try {
        return template.render({
          ...namedTokens,
          ...kwargs,
          ...pythonMethodVariables,
          messages,
          tools,
          documents: null,
          add_generation_prompt: addGenerationPrompt,
        });
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        throw new TemplateError('template-failed', `The model's chat template refused this conversation: ${message}. Change the messages, or give the model's folder a template that accepts them.`, { fields: { templateMessage: message }, cause: error });
      }
    },
  };
}

/** @throws {TemplateError} for a text that is no template; no other conversation would do. */
function parseTemplate(source: string): Template {
  try {
    const template = new Template(source);
    usePythonLoops(template);
    usePythonMethods(template);
    return template;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new TemplateError('template-failed', `The model's chat template cannot be read: ${message.replace(/\.+$/, '')}. Put one that can be into the model's folder as chat_template.jinja.`, { fields: { templateMessage: message }, cause: error });
  }
}

/** What transformers does to messages before a template sees them: keys without a value go, and reasoning is there under its older names too. */
export function templateVariables(chat: ChatInput): TemplateVariables {
  if (chat.messages.length === 0) {
    throw new TemplateError('template-failed', 'The conversation has no messages. Write one first.');
  }
  return {
    messages: chat.messages.map((message) => {
      const present = Object.fromEntries(Object.entries(message).filter(([, value]) => value !== null && value !== undefined));
      const reasoning: unknown = present.reasoning_content ?? present.thinking ?? present.reasoning;
      return reasoning === undefined ? present : { thinking: reasoning, ...present, reasoning_content: reasoning };
    }),
    tools: chat.tools === undefined || chat.tools === null ? null : chat.tools,
    kwargs: chat.templateKwargs ?? {},
    addGenerationPrompt: chat.addGenerationPrompt ?? true,
  };
}
