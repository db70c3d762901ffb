package chamois

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"google.golang.org/grpc"

	smdv1 "chamois.dev/sdk/go/gen/chamois/smd/v1"
)

// pagesOf lists so many components, page by page.
func pagesOf(total int, asked *int) List[*smdv1.ListComponentsRequest, *smdv1.ListComponentsResponse] {
	return func(
		_ context.Context, r *smdv1.ListComponentsRequest, _ ...grpc.CallOption,
	) (*smdv1.ListComponentsResponse, error) {
		*asked++
		from, _ := strconv.Atoi(r.GetPageToken())
		to := min(from+int(r.GetPageSize()), total)
		answer := &smdv1.ListComponentsResponse{}
		for i := from; i < to; i++ {
			answer.Components = append(answer.Components, &smdv1.Component{Id: fmt.Sprintf("x0c0s%db0n0", i)})
		}
		if to < total {
			answer.NextPageToken = strconv.Itoa(to)
		}
		return answer, nil
	}
}

func TestItemsAreThoseOfAllPages(t *testing.T) {
	asked, got := 0, 0
	request := &smdv1.ListComponentsRequest{PageSize: 3}
	getter := (*smdv1.ListComponentsResponse).GetComponents
	for component, err := range Items(context.Background(), pagesOf(10, &asked), request, getter) {
		must(t, err)
		equal(t, component.GetId(), fmt.Sprintf("x0c0s%db0n0", got))
		got++
	}
	equal(t, got, 10)
	equal(t, asked, 4)
	equal(t, request.GetPageToken(), "") // the caller's own
}

// Who has what it looked for asks for no more pages.
func TestALoopThatIsLeftAsksNoMore(t *testing.T) {
	asked := 0
	getter := (*smdv1.ListComponentsResponse).GetComponents
	for range Items(context.Background(), pagesOf(5000, &asked), &smdv1.ListComponentsRequest{}, getter) {
		break
	}
	equal(t, asked, 1)
}

func TestAPageThatFailsEndsTheLoopWithItsError(t *testing.T) {
	failing := func(
		context.Context, *smdv1.ListComponentsRequest, ...grpc.CallOption,
	) (*smdv1.ListComponentsResponse, error) {
		return nil, &Error{Reason: ReasonNoQuorum}
	}
	last, times := error(nil), 0
	getter := (*smdv1.ListComponentsResponse).GetComponents
	for _, err := range Items(context.Background(), failing, &smdv1.ListComponentsRequest{}, getter) {
		last, times = err, times+1
	}
	var failed *Error
	equal(t, errors.As(last, &failed) && failed.Reason == ReasonNoQuorum, true)
	equal(t, times, 1)
}

func TestAMethodWithoutPagesIsToldSo(t *testing.T) {
	client := smdv1.NewGroupServiceClient(clientOf(t, newAuthority(t), nil, &fake{endpoint: "127.0.0.1:1"}))
	for _, err := range Pages(context.Background(), client.GetGroup, &smdv1.GetGroupRequest{}) {
		equal(t, ErrorOf(err).Reason, ReasonRefused)
	}
}
