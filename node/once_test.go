package node_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// signUpWith signs up with an Idempotency-Key and gives the status, the user's id and
// the copies that the reply tells of.
func (s *simulation) signUpWith(i int, key, name, password string) (status int, user, copies string) {
	s.t.Helper()
	r := httptest.NewRequest("POST", "/v1/users", strings.NewReader(`{"username":"`+name+`","password":"`+password+`"}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", key)
	w := httptest.NewRecorder()
	s.nodes[i].Handler().ServeHTTP(w, r)
	_, location, _ := strings.Cut(w.Header().Get("Location"), "/v1/users/")
	return w.Code, location, w.Header().Get("Grapevine-Copies")
}

func TestASignUpCanBeRepeatedOnAnotherNode(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		_, first, _ := s.signUpWith(0, "a key", "ada", "a long password")
		for i := range 3 {
			status, user, copies := s.signUpWith(i, "a key", "ada", "a long password")
			if status != http.StatusCreated || user != first || first == "" || copies == "" || copies == "0" {
				t.Errorf("node %d: status %d, user %q, want %q, %q copies", i, status, user, first, copies)
			}
		}
		if status, _, _ := s.signUpWith(1, "another key", "ada", "a long password"); status != http.StatusConflict {
			t.Errorf("another key: status %d", status)
		}
		if status, _, _ := s.signUpWith(1, strings.Repeat("k", 129), "eve", "a long password"); status != http.StatusUnprocessableEntity {
			t.Errorf("a long key: status %d", status)
		}
		s.crash(0)
		if status, user, _ := s.signUpWith(2, "a key", "ada", "a long password"); status != http.StatusCreated || user != first {
			t.Errorf("with a node less: status %d, user %q", status, user)
		}
	})
}
