// The only globals that this package may use: what browsers and Node have in common.
declare const performance: { readonly timeOrigin: number; now(): number }
declare function setTimeout(callback: () => void, milliseconds?: number): { readonly timer: unique symbol }
declare function clearTimeout(timer: ReturnType<typeof setTimeout> | undefined): void
