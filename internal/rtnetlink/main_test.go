package rtnetlink

import (
	"testing"

	"github.com/linx-go/linx-go/internal/testns"
)

func TestMain(m *testing.M) { testns.Main(m) }
