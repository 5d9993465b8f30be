/**
 * Arguments of node for the program, as in its first line. V8's helper threads collect garbage in parallel, which for a
 * proxy, whose garbage is buffers, costs more in all threads together than it saves in one: with uploads of 160 KB it
 * doubles the CPU time of a request (bench/balancer/compare.mjs).
 */
export const nodeArguments: readonly string[] = ['--single-threaded-gc']
