/** Raise it whenever the compiler writes something else for the same input. */
export const compilerVersion = 6
