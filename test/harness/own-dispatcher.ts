import { Agent, setGlobalDispatcher } from 'undici'

// Whoever is first in a process, Node's own fetch or our undici, makes the dispatcher that both use. Node 26 has another
// major version of undici, whose dispatcher does not know the FormData of ours: such a request would never end.
setGlobalDispatcher(new Agent())
