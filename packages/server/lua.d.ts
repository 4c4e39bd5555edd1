/** A Lua script is imported as its text (tsup's text loader, and the plugin in .vitest). */
declare module '*.lua' {
  const script: string
  export default script
}
