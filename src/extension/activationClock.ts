/** Imported first, so that the time of activation includes the evaluation of every other module; see the end of main.ts. */

/** Milliseconds of the host's clock when this bundle began to run. */
export const bundleBeganMs = performance.now();
