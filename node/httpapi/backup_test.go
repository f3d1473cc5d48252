package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"grapevine/node/client"
	"grapevine/services/social"
	"grapevine/store"
	"grapevine/store/archive"
)

// frameOf stands for a partition. It is more than the server holds back.
func frameOf(p store.Partition) []byte { return bytes.Repeat([]byte{byte(p)}, 16<<10) }

// fakeBackups streams partitions, of which 13 fails, and takes any block.
type fakeBackups struct{ *world }

func (f fakeBackups) Backup(ctx context.Context, w io.Writer, p store.Partition, _ bool) error {
	if err := f.do(ctx, social.Identity{}, social.Cut{}); err != nil {
		return err
	}
	if p == 13 {
		return errors.New("the disk failed")
	}
	_, err := w.Write(frameOf(p))
	return err
}

func (f fakeBackups) Restore(ctx context.Context, block []byte, _ bool) (client.Restored, error) {
	return client.Restored{Rows: len(block)}, f.do(ctx, social.Identity{}, social.Cut{})
}

// serveOperator puts an API behind the server that guards it.
func serveOperator(t *testing.T, a *api) *client.Client {
	t.Helper()
	s := httptest.NewUnstartedServer(a)
	s.Config = Server(a, a.Log)
	s.Start()
	t.Cleanup(s.Close)
	return client.New(s.URL, client.WithToken(opToken))
}

func TestBackupsAreTheOperatorsAlone(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	for _, c := range [][2]string{{"GET", backupPath + "?partitions=1"}, {"POST", restorePath}} {
		for _, header := range [][]string{nil, {"Authorization", "Bearer " + aliceToken}} {
			if rec := send(a, c[0], c[1], "", header...); rec.Code != http.StatusUnauthorized {
				t.Errorf("%s %s with %v: %d", c[0], c[1], header, rec.Code)
			}
		}
	}
}

func TestABackupThatFailsMidwayIsCutOff(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	c := serveOperator(t, a)
	for _, test := range []struct {
		partitions []int
		want       []byte
		whole      bool
	}{{[]int{1, 2}, append(frameOf(1), frameOf(2)...), true}, {[]int{1, 13}, frameOf(1), false}} {
		in, err := c.Backup(t.Context(), test.partitions, false)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(in)
		if (err == nil) != test.whole || !bytes.HasPrefix(test.want, got) || test.whole && len(got) < len(test.want) {
			t.Errorf("%v: %d bytes, %v", test.partitions, len(got), err)
		}
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.Backup(t.Context(), []int{13}, false); client.StatusOf(err) != http.StatusInternalServerError {
		t.Errorf("a backup that fails at once: %v", err)
	}
}

func TestPartitionsOfABackupAreNumbers(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	for _, list := range []string{"", "x", "1,,2", "-1", "65536"} {
		rec := send(a, "GET", backupPath+"?partitions="+list, "", "Authorization", "Bearer "+opToken)
		if rec.Code != http.StatusUnprocessableEntity {
			t.Errorf("%q: %d", list, rec.Code)
		}
	}
}

func TestABlockToRestoreMayBeLargerThanOtherBodiesAndNoText(t *testing.T) {
	t.Parallel()
	a, w := newAPI(t, nil)
	c := serveOperator(t, a)
	block := bytes.Repeat([]byte{0xff}, archive.MaxFrame)
	got, err := c.Restore(t.Context(), block, false)
	if err != nil || got.Rows != len(block) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := c.Restore(t.Context(), append(block, 0), false); client.StatusOf(err) != http.StatusRequestEntityTooLarge {
		t.Errorf("a block too large: %v", err)
	}
	if _, err := c.Restore(t.Context(), nil, false); client.StatusOf(err) != http.StatusUnprocessableEntity {
		t.Errorf("no block: %v", err)
	}
	w.act = func(context.Context) error { return store.ErrNoSpace }
	if _, err := c.Restore(t.Context(), block, false); client.StatusOf(err) != http.StatusInsufficientStorage {
		t.Errorf("a full disk: %v", err)
	}
}
