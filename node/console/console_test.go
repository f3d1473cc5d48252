package console_test

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"grapevine/node/config"
)

func TestANewcomerSeesTheProductInAMinute(t *testing.T) {
	t.Parallel()
	v := newVillage(t, 3)
	browser := chromium(t)
	ada, bob := open(browser, t, v.urls[0]), open(browser, t, v.urls[1])
	ada.shot("start-light", 1280, 800)
	ada.signUp("ada", "Ada")
	bob.signUp("bob", "Bob")

	bob.goTo("#/user/@ada")
	bob.click("#follow")
	bob.shows("#follow", "Unfollow")
	ada.shows("#nav .badge", "1")
	ada.goTo("#/notifications")
	ada.shows("#notifications", "follows you")

	bob.goTo("#/home")
	bob.shows("#live", "live")
	ada.goTo("#/home")
	ada.post("Grapes are ripe #harvest")
	bob.shows(".post .text", "Grapes are ripe #harvest") // on another node, without being asked for
	bob.click(".post .acts button[aria-pressed]:last-of-type")
	ada.shows("#nav .badge", "2")

	third := open(browser, t, v.urls[2]+"/#/tag/harvest")
	third.shows(".post .text", "Grapes are ripe")
	third.goTo("#/search?q=ripe&type=posts")
	third.shows("#found .post", "Grapes are ripe")
	for _, p := range []*tab{ada, bob, third} {
		p.quiet()
	}
	ada.shot("home-light", 1600, 900)
	ada.shot("home-narrow", 360, 740)
	ada.click("#theme")
	ada.shot("home-dark", 1280, 800)
}

func TestMarkupThatUsersWriteStaysText(t *testing.T) {
	t.Parallel()
	const evil = `<img src=x onerror="window.broken=1"><script>window.broken=1</script><b id="bold">b</b>`
	v := newVillage(t, 1)
	p := open(chromium(t), t, v.urls[0])
	p.signUp("mallory", evil[:60])
	p.goTo("#/user/@mallory")
	p.click("details summary")
	p.fill("#bio", evil)
	p.click("details button")
	p.shows("#say", "Saved")
	p.run("location.reload()")
	p.shows(".profile .bio", evil)
	p.goTo("#/home")
	p.post(evil)
	p.goTo("#/channel/lobby")
	p.fill("#message", evil)
	p.click(".row .main")
	p.shows(".message .text", evil)
	p.goTo("#/search?q=%3Cimg%20src%3Dx&type=users")
	p.until(`document.querySelector('#q')?.value === '<img src=x'`)
	p.until(`window.broken === undefined && document.querySelector('main img, main script, #bold') === null`)
	// Were a line to forget, the browser itself would refuse.
	p.until(`(() => { try { document.body.innerHTML = '<b>x</b>'; return false } catch { return true } })()`)
}

func TestOperatorsSeeTheRingAndANodeThatStopped(t *testing.T) {
	t.Parallel()
	v := newVillage(t, 3)
	p := open(chromium(t), t, v.urls[0]+"/#/cluster")
	p.fill("#operator-token", "wrong")
	p.click("form .main")
	p.shows(".wrong", "not the operator token")
	p.fill("#operator-token", config.Secret{1}.OperatorToken())
	p.click("form .main")
	p.shows("#verdict", "All is well")
	p.until(`document.querySelectorAll('.ring path.arc').length >= 3`)
	p.shot("cluster-well", 1600, 900)
	p.goTo("#/cluster/partitions")
	p.shows("h2", "All owners that answer are equal")
	p.goTo("#/cluster/traffic")
	p.until(`document.querySelectorAll('.chart polyline').length > 0`)
	p.goTo("#/cluster/explain")
	p.fill("#explain-id", "@nobody")
	p.click("form .main")
	p.until(`document.querySelector('#explained .card, #explained .wrong') !== null`)

	v.crash(2)
	p.goTo("#/cluster")
	p.shows("#verdict", "Not well")
	p.shows("#problems", "node node-c is down")
	p.shows("#problems", "To do:")
	p.until(`document.querySelector('.ring').getAttribute('aria-label').includes('down: node-c')`)
	p.quiet()
	p.shot("cluster-down", 1280, 900)
	p.goTo("#/cluster/nodes")
	p.shows("tbody tr", "no answer")
	p.shot("nodes-narrow", 360, 740)
	if stored, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](`JSON.stringify(localStorage)`)); err != nil || stored != "{}" {
		t.Errorf("kept beyond the tab: %s, %v", stored, err)
	}
}

// unnamed finds controls that a screen reader could not name, and what is wrong with
// the page's outline.
// Faces of all hues are looked at: which of them a page shows is up to its accounts' ids.
const unnamed = `(() => {
  const bad = [];
  const faces = document.createElement('p');
  for (let hue = 0; hue < 8; hue++) faces.append(Object.assign(document.createElement('span'), { className: 'face hue' + hue, textContent: 'A' }));
  document.querySelector('main').append(faces);
  for (const n of document.querySelectorAll('a[href], button, input, select, textarea, [role=img], summary')) {
    const name = n.getAttribute('aria-label') || (n.labels && [...n.labels].map(l => l.textContent).join('')) || n.textContent;
    if (!name.trim()) bad.push(n.outerHTML.slice(0, 100));
  }
  for (const landmark of ['header', 'nav', 'main', 'aside', '[aria-live]']) if (!document.querySelector(landmark)) bad.push('no ' + landmark);
  if (document.querySelectorAll('main h1').length !== 1) bad.push('not one h1');
  if (!document.documentElement.lang || !document.title) bad.push('no language or title');
  const ids = [...document.querySelectorAll('[id]')].map(n => n.id);
  if (new Set(ids).size !== ids.length) bad.push('an id twice');
  if (document.querySelector('[tabindex]:not([tabindex="0"]):not([tabindex="-1"])')) bad.push('a focus order of its own');
  if (document.documentElement.scrollWidth > document.documentElement.clientWidth) bad.push('wider than the screen: ' + document.documentElement.scrollWidth);
  const light = (c) => c.map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
  const rgb = (s) => { const m = s.match(/[\d.]+/g)?.map(Number); return m && (m[3] ?? 1) > 0 ? m.slice(0, 3) : null };
  for (const n of document.querySelectorAll('body *')) {
    if (![...n.childNodes].some(c => c.nodeType === 3 && c.data.trim()) || !n.checkVisibility({ opacityProperty: true }) || n.closest('svg, :disabled, .skip, .visually-hidden, #say')) continue;
    let ground = null;
    for (let at = n; at && !ground; at = at.parentElement) ground = rgb(getComputedStyle(at).backgroundColor);
    const [a, b] = [light(rgb(getComputedStyle(n).color)), light(ground ?? [255, 255, 255])].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) bad.push('contrast ' + ((a + .05) / (b + .05)).toFixed(2) + ': ' + n.outerHTML.slice(0, 100));
  }
  faces.remove();
  return bad.join('\n');
})()`

func TestEveryViewIsNamedForScreenReadersAndLegibleAtAllWidths(t *testing.T) {
	t.Parallel()
	v := newVillage(t, 1)
	p := open(chromium(t), t, v.urls[0])
	p.signUp("ada", "Ada")
	p.goTo("#/home")
	p.post("To be read by @ada #aloud")
	p.run(`sessionStorage.setItem('operator-token', '` + config.Secret{1}.OperatorToken() + `')`)
	ready := map[string]string{
		"#/home": ".post .person", "#/public": ".post .person", "#/search": "#q", "#/notifications": "#notifications", "#/channel/lobby": "#message",
		"#/lists": "#list-title", "#/user/@ada": ".profile", "#/tag/aloud": ".post .person",
		"#/cluster": ".ring", "#/cluster/nodes": "table", "#/cluster/partitions": "table", "#/cluster/traffic": ".chart", "#/cluster/explain": "#explain-id",
	}
	for _, theme := range []string{"light", "dark"} {
		p.run(`document.documentElement.dataset.theme = '` + theme + `'`)
		for hash, selector := range ready {
			p.goTo(hash)
			p.visible(selector)
			for _, width := range []int64{360, 1600} {
				p.do(chromedp.EmulateViewport(width, 800))
				if bad, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](unnamed)); err != nil || bad != "" {
					t.Errorf("%s, %s, %d wide: %v %s", hash, theme, width, err, bad)
				}
			}
		}
	}
	p.quiet()
}

func TestAllIsDoneByKeyboardAlone(t *testing.T) {
	t.Parallel()
	v := newVillage(t, 1)
	p := open(chromium(t), t, v.urls[0])
	p.visible("#signup")
	tabTo := func(selector string) {
		t.Helper()
		for range 60 {
			p.do(chromedp.KeyEvent(kb.Tab))
			if at, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool](`document.activeElement.matches('`+selector+`')`)); err != nil {
				t.Fatal(err)
			} else if at {
				return
			}
		}
		t.Fatalf("no way to %s by Tab", selector)
	}
	p.do(chromedp.KeyEvent(kb.Tab))
	p.until(`document.activeElement.className === 'skip'`)
	tabTo("#signup-name")
	p.do(chromedp.KeyEvent("kay"))
	tabTo("#signup-word")
	p.do(chromedp.KeyEvent("a long password" + kb.Enter))
	p.shows("#account", "@kay")
	tabTo("#compose")
	p.do(chromedp.KeyEvent("without a mouse"))
	tabTo(".composer .main")
	p.do(chromedp.KeyEvent(kb.Enter))
	p.shows(".post .text", "without a mouse")
	tabTo(".post button[aria-pressed]")
	p.do(chromedp.KeyEvent(" "))
	p.until(`document.querySelector('.post button[aria-pressed=true]') !== null`)
}
