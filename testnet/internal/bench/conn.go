package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// conn is one keep-alive connection. It costs the measuring process as little as
// it can, since that shares its cores with what it measures: a request is bytes
// made beforehand, and no goroutine stands between caller and socket.
type conn struct {
	addr string
	net  net.Conn
	in   *bufio.Reader
	body []byte // of the last reply; reused
}

// callTimeout bounds one request.
const callTimeout = 10 * time.Second

// reply is an answer. Body is valid until the next call on the connection.
type reply struct {
	status  int
	copies  int
	session string
	body    []byte
}

// call sends a request and reads its answer. After an error the next call dials
// anew.
func (c *conn) call(request []byte) (reply, error) {
	r, err := c.try(request)
	if err != nil {
		c.close()
	}
	return r, err
}

func (c *conn) try(request []byte) (reply, error) {
	if c.net == nil {
		nc, err := net.DialTimeout("tcp", c.addr, callTimeout)
		if err != nil {
			return reply{}, err
		}
		c.net, c.in = nc, bufio.NewReaderSize(nc, 16<<10)
	}
	if err := c.net.SetDeadline(time.Now().Add(callTimeout)); err != nil {
		return reply{}, err
	}
	if _, err := c.net.Write(request); err != nil {
		return reply{}, err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	buf := bytes.NewBuffer(c.body[:0])
	if _, err := io.Copy(buf, resp.Body); err != nil {
		return reply{}, err
	}
	c.body = buf.Bytes()
	copies, _ := strconv.Atoi(resp.Header.Get("Grapevine-Copies"))
	return reply{
		status: resp.StatusCode, copies: copies,
		session: resp.Header.Get("Grapevine-Session"), body: c.body,
	}, nil
}

func (c *conn) close() {
	if c.net != nil {
		c.net.Close()
		c.net = nil
	}
}

// render gives the bytes of a request.
func render(method, path, token string, body []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: testnet\r\n", method, path)
	if token != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", token)
	}
	if body != nil {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}
