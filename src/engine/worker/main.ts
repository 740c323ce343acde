/** Entry of the engine bundle: the engine process, or, when run as a thread of it, the tokenizing of one long text. */

import { isMainThread } from 'node:worker_threads';

// Loaded on demand, so that a thread does not load the native runtime.
if (isMainThread) {
  void import('./engineProcess').then(({ runEngineProcess }) => runEngineProcess(__filename));
} else {
  void import('./textThread').then(({ serveTextThread }) => serveTextThread());
}
