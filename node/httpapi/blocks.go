package httpapi

import "net/http"

func (a *api) blockRoutes() {
	tags := []string{"blocks"}
	a.act(http.MethodPut, "block", "blocks", tags, "Block an account: end follows and friendship with it; neither sees the other's posts", a.Graph.Block)
	a.act(http.MethodDelete, "unblock", "blocks", tags, "Unblock an account; what the block ended stays ended", a.Graph.Unblock)
	a.act(http.MethodPut, "mute", "mutes", tags, "Mute an account: its posts leave your timelines", a.Graph.Mute)
	a.act(http.MethodDelete, "unmute", "mutes", tags, "Unmute an account", a.Graph.Unmute)
	a.privateRelation("blocks", tags, "List whom you block", a.Graph.Blocks)
	a.privateRelation("mutes", tags, "List whom you mute", a.Graph.Mutes)
}
