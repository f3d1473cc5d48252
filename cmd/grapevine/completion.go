package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

type completionVerb struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: ${enum}."`
}

// Help implements kong.HelpProvider.
func (completionVerb) Help() string {
	return `  source <(grapevine completion bash)                # for this shell; or in ~/.bashrc
  grapevine completion zsh > "${fpath[1]}/_grapevine"
  grapevine completion fish > ~/.config/fish/completions/grapevine.fish`
}

// Run writes a script that is made of the grammar, so that it knows every verb and
// flag.
func (v *completionVerb) Run(c *console, k *kong.Context) error {
	words := vocabulary(k.Model.Node, "")
	switch v.Shell {
	case "bash":
		return writeBash(c.out, words)
	case "zsh":
		return writeZsh(c.out, words)
	default:
		return writeFish(c.out, words)
	}
}

// spot is a point of a command line after which some words make sense.
type spot struct {
	path  string // the verbs before it, each after a space
	verbs []word
	flags []word
}

// word is something to type.
type word struct {
	text, help string
	also       string   // its short form, such as -o, or ""
	values     []string // of a flag that takes one of these
	value      bool     // the flag takes one
}

// vocabulary lists the places of a grammar: a node and all below it.
func vocabulary(n *kong.Node, path string) []spot {
	here := spot{path: path}
	var below []spot
	for _, child := range n.Children {
		if !child.Hidden {
			here.verbs = append(here.verbs, word{text: child.Name, help: child.Help})
			below = append(below, vocabulary(child, path+" "+child.Name)...)
		}
	}
	for _, group := range n.AllFlags(true) {
		for _, flag := range group {
			w := word{text: "--" + flag.Name, help: flag.Help, value: !flag.IsBool()}
			if flag.Short != 0 {
				w.also = "-" + string(flag.Short)
			}
			if flag.Enum != "" {
				w.values = flag.EnumSlice()
			}
			here.flags = append(here.flags, w)
		}
	}
	for _, a := range n.Positional {
		if a.Enum != "" {
			for _, value := range a.EnumSlice() {
				here.verbs = append(here.verbs, word{text: value, help: a.Help})
			}
		}
	}
	return append([]spot{here}, below...)
}

// texts joins words for a shell.
func texts(lists ...[]word) string {
	var out []string
	for _, list := range lists {
		for _, w := range list {
			out = append(out, w.text)
		}
	}
	return strings.Join(out, " ")
}

// writeBash writes a function that finds out after which verbs the cursor is.
func writeBash(out io.Writer, places []spot) error {
	var b strings.Builder
	b.WriteString(`# bash completion of grapevine
_grapevine() {
  local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" at="" word
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$at $word" in
`)
	for _, p := range places[1:] {
		fmt.Fprintf(&b, "      %q) at=%q ;;\n", p.path, p.path)
	}
	b.WriteString("    esac\n  done\n  case \"$at $prev\" in\n")
	for _, p := range places {
		for _, f := range p.flags {
			switch {
			case f.values != nil:
				fmt.Fprintf(&b, "    %q|%q) COMPREPLY=($(compgen -W %q -- \"$cur\")); return ;;\n", p.path+" "+f.text, p.path+" "+cmp.Or(f.also, f.text), strings.Join(f.values, " "))
			case f.value:
				fmt.Fprintf(&b, "    %q) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n", p.path+" "+f.text)
			}
		}
	}
	b.WriteString("  esac\n  case \"$at\" in\n")
	for _, p := range places {
		fmt.Fprintf(&b, "    %q) COMPREPLY=($(compgen -W %q -- \"$cur\")) ;;\n", p.path, texts(p.verbs, p.flags))
	}
	b.WriteString("  esac\n}\ncomplete -o default -F _grapevine grapevine\n")
	_, err := io.WriteString(out, b.String())
	return err
}

// writeZsh writes a function that shows each word with its help.
func writeZsh(out io.Writer, places []spot) error {
	var b strings.Builder
	b.WriteString(`#compdef grapevine
_grapevine() {
  local at="" word
  local -a verbs flags
  for word in "${(@)words[2,CURRENT-1]}"; do
    case "$at $word" in
`)
	for _, p := range places[1:] {
		fmt.Fprintf(&b, "      %s) at=%s ;;\n", quoted(p.path), quoted(p.path))
	}
	b.WriteString("    esac\n  done\n  case \"$at ${words[CURRENT-1]}\" in\n")
	for _, p := range places {
		for _, f := range p.flags {
			switch {
			case f.values != nil:
				fmt.Fprintf(&b, "    %s|%s) compadd -- %s; return ;;\n", quoted(p.path+" "+f.text), quoted(p.path+" "+cmp.Or(f.also, f.text)), strings.Join(f.values, " "))
			case f.value:
				fmt.Fprintf(&b, "    %s) _files; return ;;\n", quoted(p.path+" "+f.text))
			}
		}
	}
	b.WriteString("  esac\n  case \"$at\" in\n")
	for _, p := range places {
		fmt.Fprintf(&b, "    %s)\n      verbs=(%s)\n      flags=(%s) ;;\n", quoted(p.path), described(p.verbs), described(p.flags))
	}
	b.WriteString(`  esac
  [[ $#verbs -gt 0 && $PREFIX != -* ]] && _describe verb verbs && return
  [[ $PREFIX == -* ]] && _describe flag flags && return
  _files
}
if [[ $funcstack[1] == _grapevine ]]; then _grapevine "$@"; else compdef _grapevine grapevine; fi
`)
	_, err := io.WriteString(out, b.String())
	return err
}

// described spells words for _describe of zsh: TEXT:HELP.
func described(words []word) string {
	var out []string
	for _, w := range words {
		out = append(out, quoted(strings.ReplaceAll(w.text, ":", `\:`)+":"+w.help))
	}
	return strings.Join(out, " ")
}

// quoted spells a text as one word of a POSIX shell, of zsh and of fish.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'" }

// writeFish writes one line for each word.
func writeFish(out io.Writer, places []spot) error {
	var b strings.Builder
	b.WriteString("# fish completion of grapevine\ncomplete -c grapevine -f\n")
	for _, p := range places {
		when := "__fish_use_subcommand"
		if p.path != "" {
			verbs := strings.Fields(p.path)
			when = "__fish_seen_subcommand_from " + strings.Join(verbs, "; and __fish_seen_subcommand_from ")
		}
		for _, w := range p.verbs {
			fmt.Fprintf(&b, "complete -c grapevine -n %s -a %s -d %s\n", quoted(when), quoted(w.text), quoted(w.help))
		}
		for _, f := range p.flags {
			line := fmt.Sprintf("complete -c grapevine -n %s -l %s -d %s", quoted(when), strings.TrimPrefix(f.text, "--"), quoted(f.help))
			switch {
			case f.values != nil:
				line += " -x -a " + quoted(strings.Join(f.values, " "))
			case f.value:
				line += " -r -F"
			}
			b.WriteString(line + "\n")
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}
