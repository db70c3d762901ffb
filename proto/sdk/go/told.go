package chamois

import watchv1 "chamois.dev/sdk/go/gen/chamois/watch/v1"

// Told is what a watch tells: one of Begins, Rows, StateEnds, Events and Progress.
type Told interface{ told() }

type (
	// Begins says that the state follows from its beginning: what was told before counts no more.
	Begins struct{}
	// Rows is a part of the state.
	Rows []*watchv1.Object
	// StateEnds says that the state was told whole, as it was at Revision.
	StateEnds struct{ Revision uint64 }
	// Events are the changes of whole revisions, oldest first.
	Events []*watchv1.Event
	// Progress says that nothing was changed up to Revision, as far as the filter goes.
	Progress struct{ Revision uint64 }
)

func (Begins) told()    {}
func (Rows) told()      {}
func (StateEnds) told() {}
func (Events) told()    {}
func (Progress) told()  {}
