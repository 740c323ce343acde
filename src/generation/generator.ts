import type { Generator, GeneratorOptions, TextDecoder } from './generation';
import type { StepRunner } from './stepRunner';

export declare function createGenerator(runner: StepRunner, tokenizer: TextDecoder, options: GeneratorOptions): Generator;
