/** What types are held against in the *.test-d.ts beside it; compiled only, by `tsc`. */

export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** `Equal` holds `any` for equal only to itself; this finds it where another type is not known. */
export type IsAny<T> = 0 extends 1 & T ? true : false

export declare function is<_True extends true>(): void
