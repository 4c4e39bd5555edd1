/**
 * One value for the whole process. Next loads a module several times (for pages, for route handlers, for actions, again when it is edited), and
 * each time it would be another one.
 */
export function once<T>(name: string, create: () => T): T {
  const kept = globalThis as { [key: symbol]: unknown }
  const key = Symbol.for(name)
  kept[key] ??= create()
  return kept[key] as T
}
