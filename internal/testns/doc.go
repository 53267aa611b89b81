// Package testns gives tests throwaway network namespaces. Only tests and examples import it.
//
// A package that touches the kernel hands its TestMain to Main, which starts the test binary again in
// private namespaces, so that nothing a test does can reach the machine, as root and as an ordinary user
// alike. A test then makes as many namespaces as it needs with New, each of which is gone when the test
// ends:
//
//	func TestMain(m *testing.M) { testns.Main(m) }
//
//	func TestSomething(t *testing.T) {
//		n := testns.New(t)
//		n.Veth("v0", "v1")
//		...
//	}
//
// An Example has no testing.TB and uses Open and Close; a program uses Reexec in place of Main.
package testns
