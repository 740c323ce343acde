/** `~` and `~/…` as a shell would read them, for paths that reach us without one: settings, quoted options, environment variables. */

/** @param home  Undefined where the environment names none: the path stays as it is. */
export function expandHome(path: string, home: string | undefined): string {
  return home !== undefined && /^~(?=$|[/\\])/.test(path) ? home + path.slice(1) : path;
}
