/** Exit codes of `glm`: scripts rely on them. */
export const exitCode = {
  done: 0,
  /** The request failed; the message is on stderr, with --json also as data on stdout. */
  failed: 1,
  /** Wrong usage: unknown command or option, or a value that cannot be meant. */
  usage: 2,
  /** `bench compare`: nothing is known to be worse, but something could not be judged. */
  undecided: 3,
  /** Ctrl-C: 128 + SIGINT, as SIGTERM and SIGHUP give 143 and 129. What was made until then has been printed. */
  cancelled: 130,
} as const;

export type ExitCode = (typeof exitCode)[keyof typeof exitCode];
