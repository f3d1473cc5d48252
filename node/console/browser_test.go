package console_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"grapevine/node"
	"grapevine/node/config"
	"grapevine/p2p"
	"grapevine/p2p/simnet"
	"grapevine/services/users"
	"grapevine/store/memdb"
)

var shots = flag.String("console.shots", "", "directory to write pictures of the console to")

// patience is how long a page may take to show what it is to show.
const patience = 12 * time.Second

// village is a cluster of whole nodes on a simulated network, served over HTTP on the
// loopback.
type village struct {
	t     *testing.T
	net   *simnet.Network
	nodes []*node.Node
	urls  []string
	ids   []p2p.NodeID
	up    []bool
}

func newVillage(t *testing.T, n int) *village {
	t.Helper()
	v := &village{t: t, net: simnet.New(simnet.Options{Seed: 1, MaxDelay: time.Millisecond})}
	t.Cleanup(v.close)
	for i := range n {
		v.start(p2p.NodeID(fmt.Sprintf("node-%c", 'a'+i)))
	}
	for _, n := range v.nodes {
		for begun := time.Now(); !n.Active(); time.Sleep(10 * time.Millisecond) {
			if time.Since(begun) > patience {
				t.Fatal("a node never became active")
			}
		}
	}
	return v
}

func (v *village) start(id p2p.NodeID) {
	v.t.Helper()
	cfg := config.Default("unused")
	cfg.PartitionBits = 3
	if len(v.nodes) > 0 {
		cfg.Join = []string{"node-a:7402"}
	}
	net := v.net.Join(id, p2p.Addrs{HTTP: string(id) + ":7400"})
	n, err := node.Assemble(cfg, node.Deps{
		Engine: memdb.New(), Transport: net.Transport(), Broadcaster: net.Broadcaster(), Members: net.Members(),
		Secret: config.Secret{1}, HashCost: users.Cost{Memory: 8, Time: 1, Threads: 1},
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		v.t.Fatal(err)
	}
	server := httptest.NewServer(n.Handler())
	v.t.Cleanup(server.CloseClientConnections)
	v.nodes, v.ids, v.up = append(v.nodes, n), append(v.ids, id), append(v.up, true)
	v.urls = append(v.urls, server.URL)
}

func (v *village) crash(i int) {
	v.net.Crash(v.ids[i])
	v.up[i] = false
	_ = v.nodes[i].Close() // its network is gone already
}

func (v *village) close() {
	for i, n := range v.nodes {
		if v.up[i] {
			_ = n.Close()
		}
	}
	v.net.Close()
}

// chromium starts a browser that reaches nothing but the loopback.
func chromium(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("there is no chromium on this machine")
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.NoFirstRun, chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("disable-background-timer-throttling", true), chromedp.Flag("disable-renderer-backgrounding", true), chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"))
	t.Cleanup(cancel)
	browser, end := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		_ = chromedp.Cancel(browser) // waits until it has gone, or its directory could not be removed
		end()
	})
	if err := chromedp.Do(browser); err != nil {
		t.Fatal(err)
	}
	return browser
}

// tab is a page of somebody who shares no storage with others.
type tab struct {
	t      *testing.T
	ctx    context.Context
	mu     sync.Mutex
	faults []string // what the browser complained of
}

func open(browser context.Context, t *testing.T, url string) *tab {
	t.Helper()
	p := &tab{t: t}
	var cancel context.CancelFunc
	p.ctx, cancel = chromedp.NewContext(browser, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.hear))
	t.Cleanup(cancel)
	if err := chromedp.Do(p.ctx, chromedp.Navigate(url)); err != nil { // the tab lives as long as the context of what is done first
		t.Fatal(err)
	}
	return p
}

func (p *tab) hear(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case runtime.EventExceptionThrown:
		p.faults = append(p.faults, fmt.Sprintf("%s: %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
	case log.EventEntryAdded:
		if e.Entry.Source == log.EntrySourceSecurity {
			p.faults = append(p.faults, e.Entry.Text)
		}
	}
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("%v; the page shows: %s", err, p.text())
	}
}

func (p *tab) text() string {
	s, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string]("document.body.innerText"))
	return s
}

// shows waits until the page shows a text in what a selector finds.
func (p *tab) shows(selector, text string) {
	p.t.Helper()
	p.until(fmt.Sprintf(`[...document.querySelectorAll(%q)].some(n => n.textContent.includes(%q))`, selector, text))
}

// until waits until an expression is true.
func (p *tab) until(expression string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	for {
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		if is {
			return
		}
		if ctx.Err() != nil {
			p.t.Fatalf("never came about: %s: %v; the page shows: %s", expression, err, p.text())
		}
		_ = chromedp.Do(ctx, chromedp.Sleep(50*time.Millisecond)) // an end of ctx is seen above
	}
}

func (p *tab) fill(selector, text string) {
	p.t.Helper()
	p.visible(selector)
	p.run(fmt.Sprintf("document.querySelector(%q).value = %q", selector, text))
}

func (p *tab) click(selector string) {
	p.t.Helper()
	p.visible(selector)
	p.until(fmt.Sprintf("!document.querySelector(%q).disabled", selector))
	p.run(fmt.Sprintf("document.querySelector(%q).click()", selector))
}

// visible waits until what a selector finds first can be seen.
func (p *tab) visible(selector string) {
	p.t.Helper()
	p.until(fmt.Sprintf("Boolean(document.querySelector(%q)?.checkVisibility())", selector))
}

// goTo shows another view of the page.
func (p *tab) goTo(hash string) {
	p.t.Helper()
	p.run(fmt.Sprintf("location.hash = %q", hash))
}

func (p *tab) run(script string) {
	p.t.Helper()
	if _, err := chromedp.Run(p.ctx, chromedp.Evaluate[any](script)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *tab) signUp(name, shown string) {
	p.t.Helper()
	p.fill("#signup-name", name)
	p.fill("#display", shown)
	p.fill("#signup-word", "a long password")
	p.click("#signup button")
	p.shows("#account", "@"+name)
}

func (p *tab) post(text string) {
	p.t.Helper()
	p.fill("#compose", text)
	p.click(".composer button")
	p.shows(".post .text", text)
}

// shot keeps a picture, when asked to.
func (p *tab) shot(name string, width, height int64) {
	p.t.Helper()
	if *shots == "" {
		return
	}
	p.do(chromedp.EmulateViewport(width, height))
	picture, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(*shots, name+".png"), picture, 0o600)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.do(chromedp.ResetViewport())
}

// quiet fails when the browser complained.
func (p *tab) quiet() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.faults) > 0 {
		p.t.Errorf("the browser complains: %s", strings.Join(p.faults, "; "))
	}
}
