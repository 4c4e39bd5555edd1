/** The built page: the text of each file by its name. */
export const files: Readonly<Record<string, string>>
