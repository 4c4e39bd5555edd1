/** The app's log, as pino, bunyan and `console` have it: what it is about, then a sentence. */
export interface Logger {
  debug(about: object, text: string): void
  info(about: object, text: string): void
  warn(about: object, text: string): void
  error(about: object, text: string): void
}
