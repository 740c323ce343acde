import type { GlmTokenizer, TokenizerContext, TokenizerFiles } from './glmTokenizer';

export declare function createTokenizer(files: TokenizerFiles, context?: TokenizerContext): GlmTokenizer;
