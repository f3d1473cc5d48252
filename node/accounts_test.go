package node_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"grapevine/p2p"
	"grapevine/p2p/simnet"
)

// ownView is an account as its owner sees it.
type ownView struct {
	ID          string `json:"id"`
	Username    string `json:"username"`
	DisplayName string `json:"display_name"`
	Bio         string `json:"bio"`
	Avatar      string `json:"avatar"`
	Notices     []struct {
		ID  string `json:"id"`
		Old string `json:"old_username"`
		New string `json:"new_username"`
	} `json:"notices"`
}

type textFields map[string]string

func (s *simulation) logIn(i int, name, password string) (*account, int) {
	s.t.Helper()
	var session struct {
		Token string  `json:"token"`
		User  ownView `json:"user"`
	}
	who := &account{}
	code := s.do(i, who, "POST", "/v1/sessions", textFields{"username": name, "password": password}, &session)
	who.ID, who.Session.Token = session.User.ID, session.Token
	return who, code
}

// answers waits until a request is answered in this way on every node.
func (s *simulation) answers(want int, who *account, method, path string) {
	s.t.Helper()
	for i := range s.nodes {
		device := &account{}
		if who != nil {
			device.Session = who.Session
		}
		s.eventually(fmt.Sprintf("%s %s is %d on node %d", method, path, want, i), func() error {
			if code := s.do(i, device, method, path, nil, nil); code != want {
				return fmt.Errorf("%d", code)
			}
			return nil
		})
	}
}

func TestFieldsOfAProfileChangedOnTwoSidesOfACutMerge(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		ada := s.signUp(0, "ada")
		s.converge()
		s.net.Partition([]p2p.NodeID{s.nodes[0].id}, []p2p.NodeID{s.nodes[1].id, s.nodes[2].id})
		time.Sleep(5 * time.Second)
		device := &account{Session: ada.Session}
		s.expect(http.StatusOK, 0, ada, "PATCH", "/v1/users/"+ada.ID, textFields{"avatar": "https://pictures.example/ada.png"}, nil)
		s.expect(http.StatusOK, 2, device, "PATCH", "/v1/users/"+ada.ID, textFields{"bio": "counts", "display_name": "Ada"}, nil)
		s.net.Heal()
		s.converge()
		for i := range 3 {
			var u ownView
			s.expect(http.StatusOK, i, nil, "GET", "/v1/users/@ada", nil, &u)
			if u.Avatar != "https://pictures.example/ada.png" || u.Bio != "counts" || u.DisplayName != "Ada" {
				t.Errorf("node %d: %+v", i, u)
			}
		}
	})
}

func TestARenamedAccountIsFoundByItsNewNameAlone(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		ada := s.signUp(0, "ada")
		s.signUp(1, "bob")
		s.expect(http.StatusConflict, 1, ada, "PATCH", "/v1/users/@ada", textFields{"username": "Bob"}, nil)
		s.expect(http.StatusUnprocessableEntity, 1, ada, "PATCH", "/v1/users/@ada", textFields{"username": "adm1n"}, nil)
		var u ownView
		s.expect(http.StatusOK, 1, ada, "PATCH", "/v1/users/@ada", textFields{"username": "Lovelace"}, &u)
		if u.Username != "lovelace" || u.DisplayName != "lovelace" || u.ID != ada.ID {
			t.Errorf("renamed to %+v", u)
		}
		s.expect(http.StatusNotFound, 2, ada, "GET", "/v1/users/@ada", nil, nil)
		s.expect(http.StatusOK, 2, ada, "GET", "/v1/users/@lovelace", nil, nil)
		if _, code := s.logIn(2, "lovelace", "a long password"); code != http.StatusCreated {
			t.Errorf("log-in by the new name: %d", code)
		}
		s.eventually("the old name is free", func() error {
			if code := s.do(2, &account{}, "POST", "/v1/users", textFields{"username": "ada", "password": "a long password"}, nil); code != http.StatusCreated {
				return fmt.Errorf("%d", code)
			}
			return nil
		})
		s.expect(http.StatusOK, 0, ada, "GET", "/v1/users/"+ada.ID, nil, &u)
		if u.Username != "lovelace" {
			t.Errorf("after another took the old name: %+v", u)
		}
	})
}

func TestOfTwoClaimsAcrossACutTheEarlierHoldsAndTheOtherIsTold(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		eve := s.signUp(1, "eve")
		s.converge()
		s.net.Partition([]p2p.NodeID{s.nodes[0].id}, []p2p.NodeID{s.nodes[1].id, s.nodes[2].id})
		time.Sleep(5 * time.Second)
		first := s.signUp(0, "ada")
		time.Sleep(time.Second)
		second := s.signUp(1, "ada")
		time.Sleep(time.Second)
		third := &account{Session: eve.Session, ID: eve.ID} // renames herself to it: too late, on this side
		s.expect(http.StatusConflict, 2, third, "PATCH", "/v1/users/@eve", textFields{"username": "ada"}, nil)
		s.net.Heal()
		s.converge()
		var lost ownView
		s.eventually("the later account has another name", func() error {
			second.seen = ""
			s.expect(http.StatusOK, 0, second, "GET", "/v1/users/"+second.ID, nil, &lost)
			if lost.Username == "ada" {
				return fmt.Errorf("both are ada")
			}
			return nil
		})
		s.converge()
		for i := range 3 {
			var u ownView
			s.expect(http.StatusOK, i, nil, "GET", "/v1/users/@ada", nil, &u)
			if u.ID != first.ID {
				t.Errorf("node %d: @ada is %+v, want the earlier", i, u)
			}
			s.expect(http.StatusOK, i, nil, "GET", "/v1/users/@"+lost.Username, nil, &u)
			if u.ID != second.ID || len(u.Notices) > 0 {
				t.Errorf("node %d: @%s is %+v", i, lost.Username, u)
			}
		}
		if !strings.HasPrefix(lost.Username, "ada_") {
			t.Errorf("the name %s does not tell of the lost one", lost.Username)
		}
		again, code := s.logIn(2, lost.Username, "a long password")
		if code != http.StatusCreated || again.ID != second.ID {
			t.Fatalf("log-in by the new name: %d", code)
		}
		var own ownView
		s.expect(http.StatusOK, 1, again, "GET", "/v1/users/"+second.ID, nil, &own)
		if len(own.Notices) != 1 || own.Notices[0].Old != "ada" || own.Notices[0].New != lost.Username {
			t.Fatalf("it is told %+v", own.Notices)
		}
		s.expect(http.StatusNoContent, 0, again, "DELETE", "/v1/users/"+second.ID+"/notices/"+own.Notices[0].ID, nil, nil)
		var after ownView
		s.expect(http.StatusOK, 2, again, "GET", "/v1/users/"+second.ID, nil, &after)
		if len(after.Notices) != 0 {
			t.Errorf("after it was dismissed: %+v", after.Notices)
		}
	})
}

func TestANewPasswordEndsAllTokensOnAllNodes(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		ada := s.signUp(0, "ada")
		phone, _ := s.logIn(1, "ada", "a long password")
		s.answers(http.StatusOK, phone, "GET", "/v1/timelines/home")
		path := "/v1/users/@ada/password"
		change := textFields{"current_password": "a long guess", "new_password": "a longer password"}
		s.expect(http.StatusForbidden, 2, ada, "PUT", path, change, nil)
		change["current_password"] = "a long password"
		s.expect(http.StatusNoContent, 2, ada, "PUT", path, change, nil)
		s.answers(http.StatusUnauthorized, ada, "GET", "/v1/timelines/home")
		s.answers(http.StatusUnauthorized, phone, "GET", "/v1/timelines/home")
		if _, code := s.logIn(0, "ada", "a long password"); code != http.StatusUnauthorized {
			t.Errorf("log-in with the old password: %d", code)
		}
		for i := range 3 {
			again, code := s.logIn(i, "ada", "a longer password")
			if code != http.StatusCreated {
				t.Fatalf("log-in on node %d: %d", i, code)
			}
			s.answers(http.StatusOK, again, "GET", "/v1/timelines/home")
		}
	})
}

func TestLoggingOutEverywhereEndsAllTokensOfThatAccount(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		ada, bob := s.signUp(0, "ada"), s.signUp(1, "bob")
		phone, _ := s.logIn(2, "ada", "a long password")
		s.expect(http.StatusNoContent, 1, phone, "DELETE", "/v1/sessions", nil, nil)
		s.answers(http.StatusUnauthorized, ada, "GET", "/v1/timelines/home")
		s.answers(http.StatusUnauthorized, phone, "GET", "/v1/timelines/home")
		s.answers(http.StatusOK, bob, "GET", "/v1/timelines/home")
	})
}

// TestATokenThatEndedIsGoodOnNoNodeFromThenOn asks each node at once, as somebody who
// has the token and no session. Often the news is slower than the answer.
func TestATokenThatEndedIsGoodOnNoNodeFromThenOn(t *testing.T) {
	uneven := simnet.Options{MinDelay: time.Millisecond, MaxDelay: 300 * time.Millisecond}
	simulate(t, 3, uneven, func(s *simulation) {
		ada := s.signUp(0, "ada")
		ends := func(i int, method, path string, body any) {
			phone, code := s.logIn(i, "ada", "a long password")
			if code != http.StatusCreated {
				t.Fatalf("log-in on node %d: %d", i, code)
			}
			for n := range s.nodes { // each knows the token
				s.expect(http.StatusOK, n, phone, "GET", "/v1/timelines/home", nil, nil)
			}
			s.expect(http.StatusNoContent, i, phone, method, path, body, nil)
			for n := range s.nodes {
				s.expect(http.StatusUnauthorized, n, &account{ID: ada.ID, Session: phone.Session}, "GET", "/v1/timelines/home", nil, nil)
			}
		}
		for round := range 30 {
			ends(round%3, "DELETE", "/v1/sessions/current", nil)
			ends(round%3, "DELETE", "/v1/sessions", nil)
		}
		ends(0, "PUT", "/v1/users/@ada/password", textFields{"current_password": "a long password", "new_password": "a longer password"})
	})
}

// send sends a body as it is and gives the reply.
func (s *simulation) send(i int, who *account, method, path, body string) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+who.Session.Token)
	r.Header.Set("Grapevine-Session", who.seen)
	w := httptest.NewRecorder()
	s.nodes[i].Handler().ServeHTTP(w, r)
	who.seen = w.Header().Get("Grapevine-Session")
	return w
}

func TestAnExportedAccountIsTakenIntoAnother(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		ada, bob := s.signUp(0, "ada"), s.signUp(1, "bob")
		s.expect(http.StatusNoContent, 2, ada, "PUT", "/v1/users/@ada/following/@bob", nil, nil)
		s.expect(http.StatusOK, 2, ada, "PATCH", "/v1/users/@ada", textFields{"bio": "counts"}, nil)
		var texts []string
		for i := range 120 {
			texts = append([]string{fmt.Sprint("post ", i)}, texts...)
			s.post(i%3, ada, texts[0])
		}
		edited := s.post(0, ada, "befor")
		s.expect(http.StatusOK, 1, ada, "PATCH", "/v1/posts/"+edited, textFields{"text": "before"}, nil)
		texts = append([]string{"before"}, texts...)
		s.expect(http.StatusCreated, 1, ada, "POST", "/v1/posts", textFields{"text": "to @bob alone", "visibility": "direct"}, nil)
		if w := s.send(0, bob, "GET", "/v1/users/@ada/export", ""); w.Code != http.StatusForbidden {
			t.Fatalf("another's export: %d", w.Code)
		}
		file := s.send(2, ada, "GET", "/v1/users/@ada/export", "")
		if file.Code != http.StatusOK || !strings.HasPrefix(file.Header().Get("Content-Disposition"), "attachment") {
			t.Fatalf("export: %d %v", file.Code, file.Header())
		}
		archive := file.Body.String()
		eve := s.signUp(1, "eve")
		for _, want := range []string{`"posts":122,"edits":1,"following":1,`, `"posts":0,"edits":0,"following":1,`} {
			w := s.send(2, eve, "POST", "/v1/users/@eve/import", archive)
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) || !strings.Contains(w.Body.String(), `"complete":true`) {
				t.Errorf("import: %d %s, want %s", w.Code, w.Body, want)
			}
		}
		if got := s.texts(0, eve, "/v1/users/@eve/posts"); !slices.Equal(got, append([]string{"to @bob alone"}, texts...)) {
			t.Errorf("eve sees %d posts of hers: %.3q", len(got), got)
		}
		bob.seen = eve.seen
		if got := s.texts(0, bob, "/v1/users/@eve/posts"); !slices.Equal(got, texts) {
			t.Errorf("bob sees %d posts of eve's: %.3q", len(got), got)
		}
		var profile ownView
		s.expect(http.StatusOK, 0, eve, "GET", "/v1/users/@eve", nil, &profile)
		if profile.Bio != "counts" || profile.DisplayName != "eve" {
			t.Errorf("eve's profile is %+v", profile)
		}
	})
}

// texts reads all pages of a list of posts.
func (s *simulation) texts(i int, who *account, path string) []string {
	s.t.Helper()
	var texts []string
	for cursor := ""; ; {
		var p struct {
			page
			Next string `json:"next"`
		}
		s.expect(http.StatusOK, i, who, "GET", path+"?limit=50&cursor="+cursor, nil, &p)
		texts = append(texts, p.texts()...)
		if cursor = p.Next; cursor == "" {
			return texts
		}
	}
}

func TestADeletedAccountLeavesNothingOfItsNamesAndNotices(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		ada := s.signUp(0, "ada")
		s.expect(http.StatusOK, 1, ada, "PATCH", "/v1/users/@ada", textFields{"username": "lovelace"}, nil)
		s.expect(http.StatusNoContent, 2, ada, "DELETE", "/v1/users/@lovelace", nil, nil)
		for _, name := range []string{"ada", "lovelace"} {
			s.answers(http.StatusNotFound, nil, "GET", "/v1/users/@"+name)
			s.eventually(name+" is free", func() error {
				if code := s.do(1, &account{}, "POST", "/v1/users", textFields{"username": name, "password": "a long password"}, nil); code != http.StatusCreated {
					return fmt.Errorf("%d", code)
				}
				return nil
			})
		}
	})
}

// Whatever the links did meanwhile, each account bears in the end one name that
// nobody else bears, is found by it, and logs in with it.
func TestNamesAreUniqueAfterRandomClaimsOnBothSidesOfCuts(t *testing.T) {
	for seed := range uint64(24) {
		t.Run(fmt.Sprint("seed-", seed), func(t *testing.T) {
			t.Parallel()
			uneven := simnet.Options{Seed: seed, MinDelay: time.Millisecond, MaxDelay: 100 * time.Millisecond, Loss: 0.1}
			simulate(t, 3, uneven, func(s *simulation) { claimAtRandom(s, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func claimAtRandom(s *simulation, random *rand.Rand) {
	names := []string{"ada", "bob", "eve", "ida"}
	var accounts []*account
	for range 30 {
		switch name := names[random.IntN(len(names))]; random.IntN(8) {
		case 0:
			alone := random.IntN(3)
			s.net.Partition([]p2p.NodeID{s.nodes[alone].id}, []p2p.NodeID{s.nodes[(alone+1)%3].id, s.nodes[(alone+2)%3].id})
			time.Sleep(time.Duration(random.IntN(6)) * time.Second)
		case 1:
			s.net.Heal()
			time.Sleep(time.Duration(random.IntN(6)) * time.Second)
		case 2, 3, 4:
			a := &account{}
			if s.do(random.IntN(3), a, "POST", "/v1/users", textFields{"username": name, "password": "a long password"}, a) == http.StatusCreated {
				accounts = append(accounts, a)
			}
		default:
			if len(accounts) > 0 {
				a := accounts[random.IntN(len(accounts))]
				device := &account{Session: a.Session}
				s.do(random.IntN(3), device, "PATCH", "/v1/users/"+a.ID, textFields{"username": name}, nil)
			}
		}
	}
	s.net.Heal()
	s.converge()
	s.eventually("every account has a name of its own", func() error { return s.ownNames(accounts) })
}

// ownNames checks that each account is who answers to its name, on every node.
func (s *simulation) ownNames(accounts []*account) error {
	for i := range s.nodes {
		for _, a := range accounts {
			var own, named ownView
			if code := s.do(i, nil, "GET", "/v1/users/"+a.ID, nil, &own); code != http.StatusOK {
				return fmt.Errorf("node %d: account %s: %d", i, a.ID, code)
			}
			if code := s.do(i, nil, "GET", "/v1/users/@"+own.Username, nil, &named); code != http.StatusOK || named.ID != a.ID {
				return fmt.Errorf("node %d: %s bears the name %s, which is %d %s", i, a.ID, own.Username, code, named.ID)
			}
			if session, code := s.logIn(i, own.Username, "a long password"); session.ID != a.ID {
				return fmt.Errorf("node %d: %s logs in as %d %s", i, own.Username, code, session.ID)
			}
		}
	}
	return nil
}
