// Package swim implements p2p.Members over hashicorp/memberlist: the SWIM
// protocol of Das, Gupta and Motivala (2002) with the Lifeguard extensions of
// Dadgar, Phillips and Currey (2018). It is the only package that knows
// memberlist.
//
// Traffic is sealed with a key derived from the cluster secret, which keeps
// strangers out: what they send is counted and dropped before memberlist sees it.
// Within the cluster each node signs its addresses with its identity key, and the
// others believe nobody else about them: holding the secret is not enough to speak
// in another node's name. It is enough to disturb failure detection, by accusing
// others, which they refute. What a member sends is checked for what would harm
// memberlist.
//
// A second process with one identity is detected and ends; see twin.go.
//
// memberlist by itself gives up on members that stay away for long, so after a
// long cut two halves would never meet again. This package keeps calling at the
// addresses of all members that are not alive, and at those it was configured
// with or remembers from earlier runs, for ever.
package swim
