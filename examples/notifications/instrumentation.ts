/** Next calls this when the server starts. */
export async function register(): Promise<void> {
  // Written like this Next leaves the file out where there is no Node.
  if (process.env.NEXT_RUNTIME === 'nodejs') await import('./lib/shutdown')
}
