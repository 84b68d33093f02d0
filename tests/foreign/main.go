// Logcheck checks a Saqtau log, or one entry of it, with golang.org/x/mod/sumdb/{note,tlog}: code that nobody
// of Saqtau wrote. It reads files only; a log as a folder is what a mirror keeps or a web server serves.
//
//	logcheck [-witness VKEY]... checkpoint  VKEY FILE|FOLDER    signatures of a checkpoint
//	logcheck [-witness VKEY]... entry       VKEY FILE           one entry with its proof: .tlog-proof, or .json with the record
//	logcheck [-witness VKEY]... entry       VKEY FOLDER INDEX   one entry of a folder; the proof is made here
//	logcheck [-witness VKEY]... consistency VKEY FOLDER OLDER   the folder's log begins with the older checkpoint
//	logcheck [-witness VKEY]... audit       VKEY FOLDER         every entry and every tile, against the signed root
//
// Build: GO111MODULE=off GOPATH=/usr/share/gocode go build -o logcheck main.go (Debian: golang-go golang-golang-x-mod-dev).
// Exit code: 0 holds, 1 does not hold, 2 was not asked properly.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height      = 8
	width       = 1 << height
	cosignature = 4 // signature type of a witness: cosignature/v1
	proofHeader = "c2sp.org/tlog-proof@v1"
)

type vkeys []string

func (v *vkeys) String() string         { return strings.Join(*v, " ") }
func (v *vkeys) Set(value string) error { *v = append(*v, value); return nil }

func main() {
	var witnesses vkeys
	flag.Var(&witnesses, "witness", "`vkey` of a witness whose cosignature must be there; may be given again")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "logcheck [-witness VKEY]... checkpoint|entry|consistency|audit VKEY FILE|FOLDER [INDEX|OLDER]")
		flag.PrintDefaults()
	}
	flag.Parse()
	args := flag.Args()
	if len(args) < 3 {
		flag.Usage()
		os.Exit(2)
	}
	keys, err := newKeys(args[1], witnesses)
	if err == nil {
		switch verb := args[0]; {
		case verb == "checkpoint" && len(args) == 3:
			err = checkpoint(keys, args[2])
		case verb == "entry" && len(args) == 3:
			err = entryFile(keys, args[2])
		case verb == "entry" && len(args) == 4:
			err = entryOf(keys, args[2], args[3])
		case verb == "consistency" && len(args) == 4:
			err = consistency(keys, args[2], args[3])
		case verb == "audit" && len(args) == 3:
			err = audit(keys, args[2])
		default:
			flag.Usage()
			os.Exit(2)
		}
	}
	if err != nil {
		say("DOES NOT HOLD: %v", err)
		os.Exit(1)
	}
}

// say prints a line that stays one, whatever the files that were handed over have in them.
func say(format string, args ...interface{}) {
	var line strings.Builder
	for _, sign := range fmt.Sprintf(format, args...) {
		if strconv.IsPrint(sign) {
			line.WriteRune(sign)
		} else {
			fmt.Fprintf(&line, "\\u%04x", sign)
		}
	}
	fmt.Println(line.String())
}

// keys: whose signatures must be on a checkpoint.
type keys struct {
	log       note.Verifier
	witnesses []*witness
}

func newKeys(vkey string, cosigners []string) (*keys, error) {
	log, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, fmt.Errorf("the log's vkey: %w", err)
	}
	found := &keys{log: log}
	for _, one := range cosigners {
		w, err := newWitness(one)
		if err != nil {
			return nil, err
		}
		found.witnesses = append(found.witnesses, w)
	}
	return found, nil
}

// witness verifies cosignature/v1 lines (c2sp.org/tlog-cosignature); x/mod knows plain signatures only.
type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
	seen time.Time
}

func newWitness(vkey string) (*witness, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, fmt.Errorf("a witness's vkey has the form name+id+key: %q", vkey)
	}
	raw, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(raw) != 1+ed25519.PublicKeySize || raw[0] != cosignature {
		return nil, fmt.Errorf("%s: no Ed25519 cosignature key (type 4)", parts[0])
	}
	id := sha256.Sum256(append([]byte(parts[0]+"\n"), raw...))
	if hex.EncodeToString(id[:4]) != parts[1] {
		return nil, fmt.Errorf("%s: the key does not belong to its id %s", parts[0], parts[1])
	}
	return &witness{name: parts[0], hash: binary.BigEndian.Uint32(id[:4]), key: raw[1:]}, nil
}

func (w *witness) Name() string    { return w.name }
func (w *witness) KeyHash() uint32 { return w.hash }
func (w *witness) Verify(body, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	seconds := binary.BigEndian.Uint64(sig)
	w.seen = time.Unix(int64(seconds), 0).UTC()
	signed := append([]byte(fmt.Sprintf("cosignature/v1\ntime %d\n", seconds)), body...)
	return ed25519.Verify(w.key, signed, sig[8:])
}

// open checks a checkpoint's signatures and returns what it says.
func (k *keys) open(text []byte) (tlog.Tree, error) {
	verifiers := []note.Verifier{k.log}
	for _, w := range k.witnesses {
		verifiers = append(verifiers, w)
	}
	opened, err := note.Open(text, note.VerifierList(verifiers...))
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("checkpoint: %w", err)
	}
	signed := map[string]bool{}
	for _, sig := range opened.Sigs {
		signed[fmt.Sprint(sig.Name, sig.Hash)] = true
	}
	for _, v := range verifiers {
		if !signed[fmt.Sprint(v.Name(), v.KeyHash())] {
			return tlog.Tree{}, fmt.Errorf("checkpoint: no signature of %s", v.Name())
		}
	}
	lines := strings.SplitN(opened.Text, "\n", 4)
	if len(lines) < 4 || lines[0] != k.log.Name() {
		return tlog.Tree{}, fmt.Errorf("checkpoint: of the log %q, not of %q", lines[0], k.log.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return tlog.Tree{}, fmt.Errorf("checkpoint: %q is no number of entries", lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("checkpoint: the root: %w", err)
	}
	say("checkpoint of %s: %d entries, root %x, signed by the log", lines[0], size, root[:])
	for _, w := range k.witnesses {
		say("cosigned by %s at %s", w.name, w.seen.Format(time.RFC3339))
	}
	return tlog.Tree{N: size, Hash: root}, nil
}

func checkpoint(k *keys, where string) error {
	if found, err := os.Stat(where); err == nil && found.IsDir() {
		where = filepath.Join(where, "checkpoint")
	}
	text, err := os.ReadFile(where)
	if err != nil {
		return err
	}
	_, err = k.open(text)
	return err
}

// folder reads the tiles of a log; it is the tlog.TileReader behind which x/mod checks each tile against the root.
type folder string

func (f folder) Height() int                         { return height }
func (f folder) SaveTiles(t []tlog.Tile, d [][]byte) {}

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var read [][]byte
	for _, tile := range tiles {
		data, err := f.tile(tile)
		if err != nil {
			return nil, err
		}
		read = append(read, data)
	}
	return read, nil
}

// tile reads hashes; a partial tile that is gone is the beginning of the full one.
func (f folder) tile(t tlog.Tile) ([]byte, error) {
	data, err := os.ReadFile(f.path(t))
	if errors.Is(err, fs.ErrNotExist) && t.W < width {
		t, wanted := tlog.Tile{H: t.H, L: t.L, N: t.N, W: width}, t.W*tlog.HashSize
		if data, err = os.ReadFile(f.path(t)); err == nil && len(data) >= wanted {
			data = data[:wanted]
		}
	}
	return data, err
}

func (f folder) path(t tlog.Tile) string {
	name := strings.Replace(t.Path(), "tile/8/", "tile/", 1)
	return filepath.Join(string(f), filepath.FromSlash(strings.Replace(name, "tile/data/", "tile/entries/", 1)))
}

// entries of one bundle of a log of `size` entries.
func (f folder) entries(bundle, size int64) ([][]byte, error) {
	wanted := int64(width)
	if size-bundle*width < width {
		wanted = size - bundle*width
	}
	t := tlog.Tile{H: height, L: -1, N: bundle, W: int(wanted)}
	data, err := os.ReadFile(f.path(t))
	if errors.Is(err, fs.ErrNotExist) && wanted < width {
		t.W = width
		data, err = os.ReadFile(f.path(t))
	}
	if err != nil {
		return nil, err
	}
	var found [][]byte
	for int64(len(found)) < wanted {
		if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf("%s: ends within entry %d", f.path(t), bundle*width+int64(len(found)))
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		found, data = append(found, data[2:end]), data[end:]
	}
	if t.W == int(wanted) && len(data) != 0 {
		return nil, fmt.Errorf("%s: %d bytes after its last entry", f.path(t), len(data))
	}
	return found, nil
}

func (f folder) open(k *keys) (tlog.Tree, error) {
	text, err := os.ReadFile(filepath.Join(string(f), "checkpoint"))
	if err != nil {
		return tlog.Tree{}, err
	}
	return k.open(text)
}

func consistency(k *keys, where, older string) error {
	f := folder(where)
	tree, err := f.open(k)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(older)
	if err != nil {
		return err
	}
	old, err := (&keys{log: k.log}).open(text)
	if err != nil {
		return err
	}
	if old.N > tree.N {
		return fmt.Errorf("rolled back: the older checkpoint has %d entries, the log only %d", old.N, tree.N)
	}
	if old.N > 0 {
		proof, err := tlog.ProveTree(tree.N, old.N, tlog.TileHashReader(tree, f))
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
			return fmt.Errorf("the log does not begin with the older checkpoint: its first %d entries are others", old.N)
		}
	}
	say("holds: the first %d of %d entries are those of the older checkpoint", old.N, tree.N)
	return nil
}

// grown is a tree computed from its entries alone: the roots of its complete subtrees, and the tiles not yet full.
//
// It does not go through tlog.TileHashReader, which before x/mod 0.40 (CVE-2026-56865; Debian 12 has 0.7) lets up to two
// forged tiles pass. Proofs made from tiles are safe: CheckRecord and CheckTree hold them against the signed root.
type grown struct {
	folder    folder
	size      int64
	peaks     map[int64]tlog.Hash
	rows      [][]byte
	differing error // the first tile that is not what the entries lead to
}

func (g *grown) ReadHashes(places []int64) ([]tlog.Hash, error) {
	var found []tlog.Hash
	for _, place := range places {
		found = append(found, g.peaks[place])
	}
	return found, nil
}

// add appends an entry, and compares each tile that becomes full with the one in the folder.
func (g *grown) add(entry []byte) error {
	hashes, err := tlog.StoredHashes(g.size, entry, g)
	if err != nil {
		return err
	}
	for level, hash := range hashes {
		index := g.size >> level
		g.peaks[tlog.StoredHashIndex(level, index)] = hash
		if level > 0 {
			delete(g.peaks, tlog.StoredHashIndex(level-1, 2*index))
			delete(g.peaks, tlog.StoredHashIndex(level-1, 2*index+1))
		}
		if level%height == 0 {
			g.row(level/height, index, hash)
		}
	}
	g.size++
	return nil
}

func (g *grown) row(level int, index int64, hash tlog.Hash) {
	if level == len(g.rows) {
		g.rows = append(g.rows, nil)
	}
	g.rows[level] = append(g.rows[level], hash[:]...)
	if (index+1)%width == 0 {
		g.compare(level, index/width)
	}
}

// compare holds a tile, as computed, against the one in the folder.
func (g *grown) compare(level int, index int64) {
	t := tlog.Tile{H: height, L: level, N: index, W: len(g.rows[level]) / tlog.HashSize}
	data, err := g.folder.tile(t)
	if err == nil && !bytes.Equal(data, g.rows[level]) {
		err = fmt.Errorf("%s: is not what the entries below it lead to", g.folder.path(t))
	}
	if g.differing == nil {
		g.differing = err
	}
	g.rows[level] = nil
}

func audit(k *keys, where string) error {
	f := folder(where)
	tree, err := f.open(k)
	if err != nil {
		return err
	}
	g := &grown{folder: f, peaks: map[int64]tlog.Hash{}}
	for bundle := int64(0); bundle*width < tree.N; bundle++ {
		entries, err := f.entries(bundle, tree.N)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if err := g.add(entry); err != nil {
				return err
			}
		}
	}
	for level, row := range g.rows {
		if len(row) > 0 {
			g.compare(level, g.size>>(height*(level+1)))
		}
	}
	if tree.N > 0 {
		root, err := tlog.TreeHash(tree.N, g)
		if err != nil {
			return err
		}
		if root != tree.Hash {
			return fmt.Errorf("these are not the entries that were signed: they lead to the root %x (%v)", root[:], g.differing)
		}
	}
	if g.differing != nil {
		return g.differing
	}
	say("holds: all %d entries lead to the signed root, and the tiles are theirs", tree.N)
	return nil
}

func entryOf(k *keys, where, number string) error {
	f := folder(where)
	tree, err := f.open(k)
	if err != nil {
		return err
	}
	index, err := strconv.ParseInt(number, 10, 64)
	if err != nil || index < 0 || index >= tree.N {
		return fmt.Errorf("%q is no entry of a log of %d", number, tree.N)
	}
	entries, err := f.entries(index/width, tree.N)
	if err != nil {
		return err
	}
	proof, err := tlog.ProveRecord(tree.N, index, tlog.TileHashReader(tree, f))
	if err != nil {
		return err
	}
	return included(proof, tree, index, entries[index%width])
}

func included(proof tlog.RecordProof, tree tlog.Tree, index int64, leaf []byte) error {
	if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(leaf)); err != nil {
		return fmt.Errorf("entry %d: %w: this leaf is not in the log at this place", index, err)
	}
	say("holds: entry %d of %d is in the log: %s", index, tree.N, leaf)
	return nil
}

func entryFile(k *keys, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var opened struct {
		Proof  string
		Record *string
		DEK    *string
	}
	if bytes.HasPrefix(text, []byte("{")) {
		if err := json.Unmarshal(text, &opened); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	} else {
		opened.Proof = string(text)
	}
	leaf, err := prove(k, opened.Proof)
	if err != nil || opened.Record == nil || opened.DEK == nil {
		return err
	}
	return commits(leaf, *opened.Record, *opened.DEK)
}

// prove checks a c2sp.org/tlog-proof whose extra line is the leaf, and returns the leaf.
func prove(k *keys, text string) ([]byte, error) {
	head, signed, ok := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	if !ok || len(lines) < 3 || lines[0] != proofHeader || !strings.HasPrefix(lines[1], "extra ") ||
		!strings.HasPrefix(lines[2], "index ") {
		return nil, errors.New("no tlog-proof with the leaf as its extra line")
	}
	leaf, err := base64.StdEncoding.DecodeString(lines[1][len("extra "):])
	if err != nil {
		return nil, fmt.Errorf("the leaf: %w", err)
	}
	index, err := strconv.ParseInt(lines[2][len("index "):], 10, 64)
	if err != nil {
		return nil, fmt.Errorf("the index: %w", err)
	}
	var proof tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return nil, fmt.Errorf("the proof: %w", err)
		}
		proof = append(proof, hash)
	}
	tree, err := k.open([]byte(signed))
	if err != nil {
		return nil, err
	}
	if index < 0 || index >= tree.N {
		return nil, fmt.Errorf("entry %d of a log of %d", index, tree.N)
	}
	return leaf, included(proof, tree, index, leaf)
}

// commits checks that the leaf is the commitment to this record: HMAC-SHA256(SHA256("commit" || DEK), record).
func commits(leaf []byte, record, dek string) error {
	key, err := hex.DecodeString(dek)
	if err != nil || len(key) != 32 {
		return errors.New("the record's key is not 32 bytes in hex")
	}
	var said struct{ C string }
	if err := json.Unmarshal(leaf, &said); err != nil {
		return fmt.Errorf("the leaf: %w", err)
	}
	secret := sha256.Sum256(append([]byte("commit"), key...))
	mac := hmac.New(sha256.New, secret[:])
	mac.Write([]byte(record))
	if hex.EncodeToString(mac.Sum(nil)) != said.C {
		return errors.New("the record is not the one that the leaf commits to")
	}
	say("holds: the leaf commits to this record: %s", record)
	return nil
}
