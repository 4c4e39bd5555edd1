export * from './corpus.ts'
export * from './frames.ts'
export * from './mutator.ts'
