import { describe, expect, it } from 'vitest';
import { createChatTemplate } from '../../../src/tokenizer/chatTemplate';

const render = (source: string): string =>
  createChatTemplate(new Map([['default', source]]), {}).render({ messages: [], tools: null, kwargs: { numbers: [1, 2, 3, 4] }, addGenerationPrompt: false });

describe('loops of a template', () => {
  // What jinja2 3.1.6 makes of them, with trim_blocks, lstrip_blocks and its extension loopcontrols, as transformers sets it up.
  it.each([
    ['{% for x in numbers %}[{{x}}{% if x==2 %}!{% continue %}{% endif %}]{% endfor %}', '[1][2![3][4]'],
    ['{% for x in numbers %}[{{x}}{% if x==3 %}!{% break %}?{% endif %}]{% else %}none{% endfor %}', '[1][2][3!'],
    ['{% for x in numbers %}{{x}}{% continue %}y{% else %}none{% endfor %}', '1234none'],
    ['{% for x in numbers %}{% break %}{% else %}none{% endfor %}.', 'none.'],
    ['{% for x in numbers %}({% for y in numbers %}{% if y>x %}{% break %}{% elif y==1 %}a{% continue %}{% else %}c{% endif %}{{y}}{% endfor %}{% if x==2 %}{% continue %}{% endif %}){% endfor %}', '(a)(ac2(ac2c3)(ac2c3c4)'],
    ['{% for x in numbers %}{% if x>1 %}{% if x==2 %}two{% continue %}{% endif %}more{% if x==4 %}{% break %}{% endif %}{{x}}{% endif %};{{loop.index}}{% endfor %}', ';1twomore3;3more'],
    ['{% set ns=namespace(n=0) %}{% for x in numbers %}{% set ns.n=ns.n+x %}{% if ns.n>2 %}{{ns.n}}{% break %}{% endif %}{% endfor %}{{ns.n}}', '33'],
    ['{% for x in [] %}{% continue %}{% else %}none{% endfor %}', 'none'],
    ['{% macro m(k) %}{% for x in numbers %}{{x}}{% if x==k %}{% break %}{% endif %},{% endfor %}{% endmacro %}{% for x in numbers %}<{{m(x)}}>{% if x==3 %}{% break %}{% endif %}{% endfor %}', '<1><1,2><1,2,3>'],
    ['{% for x in numbers if x!=2 %}{{x}}{% if loop.last %}{% continue %}{% endif %}-{% endfor %}', '1-3-4'],
    ['{% set v=\'o\' %}{% for x in numbers %}{% if x==2 %}{% set v=\'i\' %}{% continue %}{% endif %}{{v}}{% endfor %}{{v}}', 'oooo'],
    ['{% set v=\'o\' %}{% for x in numbers %}[{{v}}{% set v=x %}{{v}}]{% endfor %}{{v}}', '[o1][o2][o3][o4]o'],
    ['{% for x in numbers %}{% set a %}<{{x}}>{% endset %}{% if x==1 %}{% set b=\'B\' %}{% endif %}{{a}}{{b}}{% endfor %}', '<1>B<2><3><4>'],
    ['{% for x in numbers %}{% set a=x*2 %}{% for y in numbers %}{% if y==2 %}{% continue %}{% endif %}{% set a=a+y %}{{a}},{% endfor %}{{a}};{{loop.index}}{% endfor %}', '3,5,6,2;15,7,8,4;27,9,10,6;39,11,12,8;4'],
    ['{% macro w() %}{% for x in numbers %}{% set q=caller() %}{{q}}{{x}}{% endfor %}{% endmacro %}{% call w() %}c{% endcall %}', 'c1c2c3c4'],
    ['{% for x in numbers %}{% set v=x %}{% if x==2 %}{{v}}{% break %}{% endif %}{% else %}none{% endfor %}|{{v}}', '2|'],
    ['{% for x in numbers %}{% if x==9 %}{% continue %}{% endif %}{{x}}{% else %}none{% endfor %}', '1234'],
    ['{% for x in numbers %}{% macro f(k) %}{{k}}{{x}}{% endmacro %}{% set z=f(x) %}{{z}}{% if x==3 %}{% break %}{% endif %}{% endfor %}', '112233'],
    ['{% if numbers %}{% for x in numbers %}{{x}}{% break %}{% endfor %}{% endif %}{% for x in numbers %}{{x}}{% if x==2 %}{% break %}{% endif %}{% endfor %}', '112'],
  ])('%s', (source, expected) => {
    expect(render(source)).toBe(expected);
  });
});
