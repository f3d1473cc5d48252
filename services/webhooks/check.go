package webhooks

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"grapevine/services/social"
)

// check says what is wrong with a webhook that is to be written, and puts the events
// in order.
func (s *Service) check(h *social.Webhook, events []string) error {
	if err := s.checkURL(h.URL); err != nil {
		return err
	}
	if !utf8.ValidString(h.Description) || strings.ContainsFunc(h.Description, unicode.IsControl) {
		return social.InvalidField("description", "must be valid UTF-8 without control characters")
	}
	if utf8.RuneCountInString(h.Description) > social.MaxWebhookDescription {
		return social.InvalidField("description", "must have at most %d characters", social.MaxWebhookDescription)
	}
	var err error
	h.Events, err = foldEvents(events)
	return err
}

// checkURL refuses what nothing can be sent to, or must not be. What a name stands for
// is looked at when something is sent: it can be another address each time.
func (s *Service) checkURL(text string) error {
	refuse := func(format string, args ...any) error { return social.InvalidField("url", format, args...) }
	if len(text) > social.MaxWebhookURL {
		return refuse("must have at most %d bytes", social.MaxWebhookURL)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Opaque != "" || u.Scheme != "http" && u.Scheme != "https":
		return refuse("must be an http or https URL, such as https://example.com/hook")
	case u.User != nil:
		return refuse("must not have a user or password: the signature proves who sends")
	case strings.Contains(text, "#"):
		return refuse("must not have a fragment")
	case u.Hostname() == "":
		return refuse("must name a host")
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= unicode.MaxASCII }):
		return refuse("must be in visible ASCII: encode other characters (xn-- in the host, %%XX elsewhere)")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return refuse("must have a port from 1 to 65535")
		}
	}
	return s.checkHost(strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")))
}

func (s *Service) checkHost(host string) error {
	if s.cfg.Permitted == nil {
		return nil
	}
	addr, err := netip.ParseAddr(host)
	local := host == "localhost" || strings.HasSuffix(host, ".localhost")
	if local || err == nil && !s.cfg.Permitted(addr) {
		return social.InvalidField("url", "must name a host on the public Internet, unless the operator sets webhook-allow-private")
	}
	return nil
}

// foldEvents gives events in order, each once, with the names of channels folded.
func foldEvents(events []string) ([]string, error) {
	var folded []string
	for _, event := range events {
		channel, message := strings.CutPrefix(event, social.MessageEvent)
		switch {
		case message:
			if channel = social.FoldChannel(channel); channel == "" {
				return nil, social.InvalidField("events", "must name a channel of 1 to %d of a-z, 0-9, point, - and _ after %s", social.MaxChannel, social.MessageEvent)
			}
			event = social.MessageEvent + channel
		case event != social.EveryNotification && !slices.Contains(social.NotificationKinds(), social.NotificationKind(event)):
			return nil, social.InvalidField("events", "must be kinds of notifications (mention, reply, like, repost, follow, friend_request, friend_accept), * for all kinds, or message:CHANNEL; %.40q is none", event)
		}
		folded = append(folded, event)
	}
	slices.Sort(folded)
	folded = slices.Compact(folded)
	if len(folded) == 0 || len(folded) > social.MaxWebhookEvents {
		return nil, social.InvalidField("events", "must be 1 to %d", social.MaxWebhookEvents)
	}
	return folded, nil
}
