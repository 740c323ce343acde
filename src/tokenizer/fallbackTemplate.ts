/**
 * The chat structure of glm-4-9b-chat for checkpoints in the original layout that bring no template: there it stood in remote Python code.
 *
 * The Chinese texts are what the model was trained on and part of its format; the rest is written for this project.
 */
export const glm4FallbackTemplate = String.raw`[gMASK]<sop>
{%- macro announce(tools) -%}
{{ '<|system|>\n你是一个名为 ChatGLM 的人工智能助手。你是基于智谱AI训练的语言模型 GLM-4 模型开发的，你的任务是针对用户的问题和要求提供适当的答复和支持。\n\n# 可用工具' }}
{%- for entry in tools -%}
{%- set spec = entry.function if entry.function is defined else entry -%}
{{ '\n\n## ' + spec.name + '\n\n' + (spec | tojson(indent=4, ensure_ascii=False)) + '\n在调用上述函数时，请使用 Json 格式表示调用的参数。' }}
{%- endfor -%}
{%- endmacro -%}
{%- if tools -%}{{ announce(tools) }}{%- endif -%}
{%- for turn in messages -%}
{%- if turn.tools is defined and turn.tools -%}{{ announce(turn.tools) }}{%- endif -%}
{%- if turn.content is defined and turn.content -%}
{%- set role = 'observation' if turn.role == 'tool' else turn.role -%}
{%- if role not in ['system', 'user', 'assistant', 'observation'] -%}{{ raise_exception('unknown role: ' + role) }}{%- endif -%}
{{ '<|' + role + '|>' + (turn.metadata if turn.metadata is defined and turn.metadata else '') + '\n' + turn.content }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}`;
