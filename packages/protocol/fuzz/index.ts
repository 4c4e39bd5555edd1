export * from './corpus'
export * from './frames'
export * from './mutator'
