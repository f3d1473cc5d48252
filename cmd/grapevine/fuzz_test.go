package main

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func FuzzConfigFile(f *testing.F) {
	f.Add(`{"data":"/var/lib/grapevine","join":["a:1","b:2"],"weight":100}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, text string) {
		settings, err := configFile(strings.NewReader(text))
		if err != nil {
			return
		}
		b, err := json.Marshal(settings)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := configFile(strings.NewReader(string(b))); err != nil || !reflect.DeepEqual(again, settings) {
			t.Errorf("%q comes back as %v, %v", text, again, err)
		}
	})
}
